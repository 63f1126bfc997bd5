"""Where each service's tables are, for the tools that work beside the services."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from environs import Env

from services import secrets
from shared.embedded_postgres import EmbeddedPostgres

SERVICE_NAMES = ("auth", "recognition", "quota", "moderation")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The administrator's address of the database, and each service's with its own role. They hold passwords."""

    admin: str
    services: Mapping[str, str]


def as_role(url: str, role: str, password: str) -> str:
    """The same database, entered as another role."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{quote(password, safe='')}@{place}"))


def role_addresses(admin_url: str, passwords: Mapping[str, str]) -> Addresses:
    """An administrator's address and the services' roles on the same database."""
    services = {name: as_role(admin_url, f"peerly_{name}", password) for name, password in passwords.items()}
    return Addresses(admin_url, services)


def passwords(env: Env, data_dir: Path) -> dict[str, str]:
    """The services' database passwords: from the environment, else those that this data folder keeps."""
    given = {name: env.str(f"PEERLY_{name.upper()}_DATABASE_PASSWORD", "") for name in SERVICE_NAMES}
    return given if all(given.values()) else secrets.load_or_make(data_dir, SERVICE_NAMES)


def data_folder(env: Env) -> Path:
    """`PEERLY_DATA_DIR`, made when it is missing."""
    folder = Path(env.str("PEERLY_DATA_DIR", ".data")).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@asynccontextmanager
async def addresses(env: Env) -> AsyncIterator[Addresses]:
    """Of the database that the environment names, else of the data folder's own, which is started when it rests.

    Raises `EmbeddedPostgresError`.
    """
    folder = data_folder(env)
    admin_url = env.str("PEERLY_ADMIN_DATABASE_URL", "") or env.str("DATABASE_URL", "")
    if admin_url:
        yield role_addresses(admin_url, passwords(env, folder))
        return
    own = EmbeddedPostgres(folder / "postgres")
    running_url = own.running_url()
    if running_url is not None:
        yield role_addresses(running_url, passwords(env, folder))
        return
    async with own:
        yield role_addresses(own.url, passwords(env, folder))


def named_service(word: str, description: str, argv: Sequence[str]) -> tuple[str, list[str]]:
    """The service that a tool's first word names, and what follows it."""
    parser = argparse.ArgumentParser(prog=f"python -m services {word}", description=description)
    parser.add_argument("service", choices=SERVICE_NAMES, metavar="SERVICE", help=", ".join(SERVICE_NAMES))
    parser.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="the rest: see SERVICE --help")
    options = parser.parse_args(argv)
    return options.service, options.rest
