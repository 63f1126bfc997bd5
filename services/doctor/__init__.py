"""`python -m services doctor`: looks at everything that an installation relies on, and says what to do."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import asyncpg
import orjson
from aiormq.exceptions import AMQPError
from environs import Env

from services.connections import addresses, data_folder
from services.doctor import broker, events, keys, roles, schemas, servers
from services.doctor.bindings import Bindings, parse
from services.doctor.line import Line
from services.doctor.place import Admin, Place, find_broker, has_installation
from shared.embedded_postgres import EmbeddedPostgresError

CHECK_SECONDS = 30.0
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

OF_SERVERS: Sequence[Callable[[Admin], Awaitable[Line]]] = (
    servers.clocks,
    servers.durability,
    servers.letters,
    roles.roles,
    schemas.migrations,
)
OF_TABLES: Sequence[Callable[[Admin], Awaitable[Line]]] = (
    roles.row_security,
    events.gaps,
    events.unsent,
    events.parked,
    events.dead,
    keys.signing_keys,
)


async def examine(place: Place) -> list[Line]:
    """All checks that can be made, in their order."""
    lines = [servers.configuration(place.folder, place.addresses)]
    lines += await _database(place.addresses.admin)
    return lines + await _broker(place)


async def _database(url: str) -> list[Line]:
    try:
        admin = await asyncpg.connect(url, timeout=10, command_timeout=CHECK_SECONDS)
    except AWAY as error:
        return [Line("database", f"cannot be reached: {error!r}", "start it, or mend DATABASE_URL")]
    try:
        lines = [Line("database", f"PostgreSQL {await admin.fetchval('SHOW server_version')}")]
        lines += [await check(admin) for check in OF_SERVERS]
        if await admin.fetchval("SELECT to_regclass('moderation.schema_migrations') IS NOT NULL"):
            lines += [await check(admin) for check in OF_TABLES]
        return lines
    finally:
        await admin.close(timeout=5)


async def _broker(place: Place) -> list[Line]:
    if place.broker is None:
        return [Line("broker", "none: events travel within the process")]
    try:
        lines = [Line("broker", "answers"), await broker.queues(place.broker)]
        if lines[-1].ok:
            lines += [await broker.users(place.broker), await broker.dead_letters(place.broker)]
        return lines
    except (AMQPError, OSError, TimeoutError) as error:
        return [Line("broker", f"cannot be reached: {error!r}", "start it, or mend AMQP_URL; hi5s go on meanwhile")]


def main(argv: Sequence[str]) -> int:
    """Prints a line for each check; 1 when any of them is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m services doctor",
        description="Looks at the installation and changes nothing: settings, clocks, durability, roles, migrations, "
        "the broker's queues and users, and what is stuck between the services. Exit code 1 when anything is wrong; "
        "docs/operations.md explains each line.",
        epilog="The environment: DATABASE_URL and AMQP_URL (or PEERLY_ADMIN_DATABASE_URL and PEERLY_ADMIN_AMQP_URL), "
        "both an administrator's; without them the database in PEERLY_DATA_DIR.",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document instead of lines")
    parser.add_argument(
        "--bindings",
        type=_bindings,
        metavar="FILE",
        help="the broker's bindings as `rabbitmqctl list_bindings --formatter json` or the management API lists them, "
        "where that cannot be run from here; - reads them from the standard input",
    )
    options = parser.parse_args(argv)
    lines = asyncio.run(_look(options.bindings))
    sys.stdout.write(_as_json(lines) if options.json else "".join(map(_as_text, lines)))
    return 0 if all(one.ok for one in lines) else 1


def _bindings(name: str) -> Bindings:
    try:
        return parse(sys.stdin.read() if name == "-" else Path(name).read_text())
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"cannot be read from {name}: {error}") from None


async def _look(bindings: Bindings | None) -> list[Line]:
    folder = Path(Env().str("PEERLY_DATA_DIR", ".data")).absolute()
    if not has_installation(folder):
        return [
            Line("installation", f"there is none in {folder}", "make run, or name it: PEERLY_DATA_DIR, DATABASE_URL")
        ]
    env = Env()
    try:
        async with addresses(env) as where:
            folder = data_folder(env)
            return await examine(Place(folder, where, find_broker(folder, bindings)))
    except (EmbeddedPostgresError, OSError) as error:
        return [Line("database", f"cannot be started: {error}", "see what it says")]


def _as_text(one: Line) -> str:
    return f"OK    {one.check:<14}{one.says}\n" if one.ok else f"WRONG {one.check:<14}{one.says}. To do: {one.todo}\n"


def _as_json(lines: Sequence[Line]) -> str:
    rows = [{"check": one.check, "ok": one.ok, "says": one.says, "todo": one.todo} for one in lines]
    document = {"ok": all(one.ok for one in lines), "checks": rows}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n"
