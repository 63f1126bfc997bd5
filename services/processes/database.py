"""Makes the database when it is missing, and brings it and the bus up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from services.processes.settings import PYTHON, CannotStart, ProcessSettings

LOCALE = "C.UTF-8"
CONNECT_SECONDS = 5.0
CREATE_SECONDS = 30.0
MIGRATE_SECONDS = 120.0
Admin: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


def url_of(settings: ProcessSettings, service: str, password: str) -> str:
    """The database's address for one service's role."""
    parts = urlsplit(settings.database_url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(
        (parts.scheme, f"peerly_{service}:{quote(password, safe='')}@{host}", parts.path, parts.query, "")
    )


async def create_if_missing(settings: ProcessSettings) -> None:
    """Raises `CannotStart` when no server answers or the administrator may not create the database."""
    try:
        await _reached(settings.database_url)
    except asyncpg.InvalidCatalogNameError:
        await _create(settings)
    except (asyncpg.PostgresError, OSError, TimeoutError) as error:
        raise CannotStart(_unreachable(settings, error)) from None


async def _reached(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS)
    await connection.close()


async def _create(settings: ProcessSettings) -> None:
    parts = urlsplit(settings.database_url)
    connection = await asyncpg.connect(urlunsplit(parts._replace(path="/postgres")), timeout=CONNECT_SECONDS)
    try:
        await _create_with_letters(connection, parts.path.lstrip("/"))
    except asyncpg.DuplicateDatabaseError:
        pass
    except asyncpg.InsufficientPrivilegeError:
        raise CannotStart(
            f"This PostgreSQL account may not create the database {parts.path.lstrip('/')!r}. "
            "Create it, or name an administrator in DATABASE_URL."
        ) from None
    finally:
        await connection.close()


async def _create_with_letters(connection: Admin, name: str) -> None:
    """With a locale that knows the cases of all letters, whatever the server's own is, if the machine has it."""
    plain: str = await connection.fetchval(
        "SELECT format('CREATE DATABASE %I TEMPLATE template0 ENCODING ''UTF8''', $1::text)", name
    )
    try:
        await connection.execute(f"{plain} LC_COLLATE '{LOCALE}' LC_CTYPE '{LOCALE}'", timeout=CREATE_SECONDS)
    except asyncpg.WrongObjectTypeError:
        await connection.execute(plain, timeout=CREATE_SECONDS)


def _unreachable(settings: ProcessSettings, error: BaseException) -> str:
    place = urlsplit(settings.database_url)
    return (
        f"PostgreSQL at {place.hostname}:{place.port or 5432} cannot be used ({type(error).__name__}: {error}). "
        "Start one (on Debian and Ubuntu: apt-get install postgresql), or name yours and an administrator of it: "
        "DATABASE_URL=postgresql://user:password@host:5432/peerly"
    )


async def migrate(environment: Mapping[str, str]) -> None:
    """Roles, schemas, tables and the bus's exchanges and queues, by the same one-shot command as everywhere."""
    process = await asyncio.create_subprocess_exec(
        *PYTHON, "services", "migrate", env=dict(environment), stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(MIGRATE_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise CannotStart(f"The migrations did not end within {MIGRATE_SECONDS:.0f} seconds.") from None
    if process.returncode:
        raise CannotStart(f"The migrations failed:\n{output.decode(errors='replace')[-4000:]}")
