"""What operators do with auth's own tables: the keys that sign, and the first super admin."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from environs import Env

from services.auth.bootstrap import DEFAULT_EMAIL, CannotMakeAdmin, make_admin
from services.auth.commands import keys
from services.auth.hashing import Hasher
from services.auth.keys import Vault
from services.auth.settings import Settings
from services.auth.store import credentials
from shared.cli import USAGE_ERROR, Command
from shared.clock import utc_now
from shared.database import Connection, Database
from shared.identity.principal import SYSTEM_ORGANISATION

Work = Callable[[Connection, Vault, argparse.Namespace], Awaitable[None]]


def keys_options(argv: Sequence[str], program: str) -> argparse.Namespace:
    made = argparse.ArgumentParser(
        prog=f"python -m {program} keys",
        description="The keys that sign tokens. A running relay tells the other services what changed.",
    )
    words = made.add_subparsers(required=True, metavar="WORD")
    words.add_parser("list", help="show the keys").set_defaults(work=_list)
    rotate = words.add_parser("rotate", help="sign with a new key; tokens of the old one stay valid while they last")
    rotate.set_defaults(work=_rotate)
    retire = words.add_parser("retire", help="refuse everything that a leaked key has signed, at once")
    retire.add_argument("kid")
    retire.set_defaults(work=_retire)
    return made.parse_args(argv)


async def work_on_keys(options: argparse.Namespace, database_url: str, secret: str) -> int:
    """Runs the word; returns the exit code. Raises what the database raises."""
    work: Work = options.work
    async with _database(database_url) as database:
        try:
            async with database.transaction(SYSTEM_ORGANISATION) as tx:
                await work(tx, Vault(secret), options)
        except keys.UnknownKey as unknown:
            sys.stderr.write(f"There is no key {unknown}; the word list shows them.\n")
            return USAGE_ERROR
    return 0


def admin_options(argv: Sequence[str], program: str) -> argparse.Namespace:
    made = argparse.ArgumentParser(
        prog=f"python -m {program} admin",
        description="Makes a super admin with a password that is shown once, where there is none yet.",
    )
    made.add_argument("--email", default="", help=f"who that is (PEERLY_ADMIN_EMAIL, else {DEFAULT_EMAIL})")
    return made.parse_args(argv)


async def work_on_admin(options: argparse.Namespace, database_url: str) -> int:
    """Makes the first super admin; returns the exit code. Raises what the database raises."""
    email = options.email or Env().str("PEERLY_ADMIN_EMAIL", "") or DEFAULT_EMAIL
    hasher = Hasher()
    try:
        async with _database(database_url) as database:
            made = await make_admin(database, hasher, utc_now, email)
    except CannotMakeAdmin as error:
        sys.stderr.write(f"{error}\n")
        return USAGE_ERROR
    finally:
        hasher.close()
    sys.stdout.write(f"{made}\n" if made else "There is a super admin already; nothing was changed.\n")
    return 0


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    database = await Database.connect(url, schema="auth", size=1, application_name="peerly auth operator")
    try:
        yield database
    finally:
        await database.close()


async def _list(tx: Connection, vault: Vault, arguments: argparse.Namespace) -> None:
    for row in await credentials.key_pairs(tx):
        until = "" if row["not_after"] is None else f"  until {_shown(row['not_after'])}"
        sys.stdout.write(f"{row['kid']}  from {_shown(row['signs_from'])}{until}\n")


async def _rotate(tx: Connection, vault: Vault, arguments: argparse.Namespace) -> None:
    pair = await keys.rotate_keys(tx, vault, utc_now())
    sys.stdout.write(f"{pair.kid} signs in {keys.SPREADS_IN.seconds} seconds\n")


async def _retire(tx: Connection, vault: Vault, arguments: argparse.Namespace) -> None:
    await keys.retire_key(tx, vault, arguments.kid, utc_now())
    sys.stdout.write(f"{arguments.kid} is refused from now on\n")


def _shown(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")


def _keys(argv: Sequence[str]) -> int:
    options, settings = keys_options(argv, "services.auth"), Settings.read("auth", Env())
    return _told(work_on_keys(options, settings.database_url, settings.secret))


def _admin(argv: Sequence[str]) -> int:
    options, settings = admin_options(argv, "services.auth"), Settings.read("auth", Env())
    return _told(work_on_admin(options, settings.database_url))


def _told(work: Coroutine[Any, Any, int]) -> int:
    try:
        return asyncio.run(work)
    except OSError as error:
        sys.stderr.write(f"auth: {error}\n")
        return USAGE_ERROR


COMMANDS = {
    "keys": Command("list, rotate or retire the keys that sign tokens", _keys),
    "admin": Command("make the first super admin", _admin),
}
