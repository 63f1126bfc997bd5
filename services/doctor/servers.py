"""The installation's settings, and those of its database server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from environs import Env, EnvError

from services import secrets
from services.catalogue import SERVICES
from services.connections import Addresses
from services.doctor.line import Line, line
from services.doctor.place import Admin

CLOCK_SECONDS = 2.0
DURABLE = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}
STRONGER = {"remote_apply", "remote_write"}
SETTINGS_OF_ROLES = """
SELECT role.rolname, setting
FROM pg_db_role_setting AS own JOIN pg_roles AS role ON role.oid = own.setrole
CROSS JOIN LATERAL unnest(own.setconfig) AS setting
WHERE role.rolname LIKE 'peerly\\_%'
    AND own.setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
"""
"""In all databases, and in this one."""
PRIVATE = 0o077
LETTERS_REMEDY = "make a database with LC_CTYPE 'C.UTF-8' from template0, and restore a backup into it"
REMEDY = "mend the setting (README, Configuration), or run: chmod 600 on the file that others can read"


def configuration(folder: Path, where: Addresses) -> Line:
    """The environment as the services will read it, and the secrets' file."""
    troubles = _unreadable(where) + _open_secrets(folder / secrets.FILE)
    return line("configuration", troubles, REMEDY, f"every service can read it; data folder {folder}")


def _unreadable(where: Addresses) -> list[str]:
    troubles = set()
    for service in SERVICES:
        with _environment(DATABASE_URL=where.services[service.name], PEERLY_SECRET="only to read the others"):
            try:
                service.read_settings(Env())
            except (EnvError, ValueError) as error:
                troubles.add(str(error))
    return sorted(troubles)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _open_secrets(file: Path) -> list[str]:
    return [f"{file} can be read by others"] if file.exists() and file.stat().st_mode & PRIVATE else []


async def clocks(admin: Admin) -> Line:
    """The database's clock against this machine's: periods, tokens and the relay go by both."""
    before = time.time()
    theirs = await admin.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    after = time.time()
    apart = max(before - theirs, theirs - after, 0.0)
    troubles = [f"the database's clock is {apart:.1f} s away from this machine's"] if apart > CLOCK_SECONDS else []
    return line(
        "clocks", troubles, "let NTP set the clocks of both machines", "the database's agrees with this machine's"
    )


async def durability(admin: Admin) -> Line:
    """Whether a commit that was answered survives the machine."""
    rows = await admin.fetch("SELECT name, setting FROM pg_settings WHERE name = ANY($1)", list(DURABLE))
    troubles = [
        f"{row['name']} is {row['setting']}"
        for row in rows
        if row["setting"] != DURABLE[row["name"]] and row["setting"] not in STRONGER
    ]
    troubles += [
        f"{row['rolname']} has {row['setting']} of its own"
        for row in await admin.fetch(SETTINGS_OF_ROLES)
        if row["setting"].split("=")[0] == "synchronous_commit"
        and row["setting"].split("=")[1] not in {"on", *STRONGER}
    ]
    todo = "set it to on (ALTER SYSTEM, ALTER DATABASE or ALTER ROLE ... SET) and reload: a crash loses commits"
    return line("durability", troubles, todo, "fsync, full_page_writes and synchronous_commit are on")


async def letters(admin: Admin) -> Line:
    """Whether the database knows the cases of letters beyond ASCII: searches compare words by them."""
    folds = await admin.fetchval("SELECT lower('É') = 'é'")
    locale = await admin.fetchval("SELECT datctype FROM pg_database WHERE datname = current_database()")
    troubles = [] if folds else [f"locale {locale}: a search for é does not find É"]
    return line("letters", troubles, LETTERS_REMEDY, f"locale {locale}")
