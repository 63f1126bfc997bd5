"""`python -m services restore FILE`: the whole database, or one service into a running system."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import asyncpg
from aiormq.exceptions import AMQPError
from environs import Env

from services.backups import statements, statements_auth
from services.backups.archive import Archive, check_versions, opened, tables
from services.backups.loading import Content, load
from services.backups.programs import CannotDo, Programs, find
from services.backups.taking import CANNOT, server_of
from services.catalogue import SERVICES, SUBSCRIPTIONS
from services.connections import SERVICE_NAMES, Addresses, addresses, data_folder, passwords
from services.doctor.place import Broker, find_broker
from services.migrations import declare_bus, migrate_all
from shared.bus.connection import close, connect
from shared.bus.topology import ADMIN_SECONDS, published_by, queue_of, urgent_of
from shared.cli import USAGE_ERROR
from shared.database import Database
from shared.provision import provision
from shared.rebuild import rebuild

_AT_WORK = """
SELECT count(DISTINCT pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = ANY($1)
"""
_CUT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND usename = $1 AND pid <> pg_backend_pid()
"""


RESTATE = {"recognition": statements.RESTATE, "auth": statements_auth.RESTATE}


async def restore_all(where: Addresses, file: Path, folder: Path, *, replace: bool, out: TextIO) -> None:
    """Everything, into a database that nobody works on. Raises one of `CANNOT`, or what the broker raises."""
    programs, archive = await _checked(where, file, SERVICE_NAMES, exact=False)
    await _require_rest(where.admin, replace=replace)
    entries = archive.of(SERVICE_NAMES)
    before = statements.BEGIN + "".join(statements.REMOVE.format(service=service) for service in SERVICE_NAMES)
    after = "".join(statements.NEW_EPOCH.format(service=service) for service in SERVICE_NAMES)
    await load(programs, where.admin, Content(archive, entries, before, after), out)
    await migrate_all(where.admin, passwords(Env(), folder))
    if (broker := find_broker(folder)) is not None:
        await declare_bus(broker.admin)
        await _empty(broker)
    out.write(f"Restored {tables(entries)} tables as of {archive.created_at}. Start Peerly; then check: make proof\n")


async def restore_one(where: Addresses, file: Path, folder: Path, service: str, *, out: TextIO) -> None:
    """One service, while all of them run: what the others have heard since is brought in line with the copy."""
    programs, archive = await _checked(where, file, [service], exact=True)
    entries = archive.of([service])
    others = [
        other for other in SERVICE_NAMES if other != service and SUBSCRIPTIONS[other] & set(published_by(service))
    ]
    before = statements.BEGIN + statements.SET_ASIDE.format(service=service)
    before += "".join(statements.HEARD.format(service=service, consumer=other) for other in others)
    before += statements.RENAME.format(service=service)
    after = "".join(part.format(service=service) for part in (statements.NEW_EPOCH, statements.CARRY_OVER))
    after += "".join(statements.START_AGAIN.format(service=service, consumer=other) for other in others)
    after += RESTATE.get(service, "") + statements.FORGET
    await load(programs, where.admin, Content(archive, entries, before, after), out)
    await migrate_all(where.admin, passwords(Env(), folder))
    await _cut_off(where.admin, service)
    for other in others:
        if (service, other) != ("recognition", "quota"):
            await _rebuild(where, other)
    out.write(f"Restored {service} as of {archive.created_at}; {', '.join(others)} follow. Then check: make proof\n")


async def _checked(where: Addresses, file: Path, services: Sequence[str], *, exact: bool) -> tuple[Programs, Archive]:
    major, _ = await server_of(where.admin)
    programs = await find(major)
    archive = await opened(programs, file)
    await check_versions(programs, archive, services, exact=exact)
    admin = await asyncpg.connect(where.admin, timeout=10)
    try:
        for service in services:
            await provision(admin, service, None)
    finally:
        await admin.close(timeout=5)
    return programs, archive


async def _require_rest(url: str, *, replace: bool) -> None:
    admin = await asyncpg.connect(url, timeout=10)
    try:
        at_work = await admin.fetchval(_AT_WORK, [f"peerly_{service}" for service in SERVICE_NAMES])
        has_data = await admin.fetchval("SELECT to_regclass('auth.organisations') IS NOT NULL")
    finally:
        await admin.close(timeout=5)
    if at_work:
        raise CannotDo(f"Peerly works on this database ({at_work} connections). Stop it first, or name one --service.")
    if has_data and not replace:
        raise CannotDo("There is an installation in this database. --replace gives it up for the backup.")


async def _cut_off(url: str, service: str) -> None:
    """The service connects again at once: what its connections had prepared is of tables that are gone."""
    admin = await asyncpg.connect(url, timeout=10)
    try:
        await admin.fetchval(_CUT, f"peerly_{service}")
    finally:
        await admin.close(timeout=5)


async def _rebuild(where: Addresses, service: str) -> None:
    database = await Database.connect(
        where.services[service], schema=service, size=1, application_name="peerly restore"
    )
    try:
        await rebuild(database)
    finally:
        await database.close()


async def _empty(broker: Broker) -> None:
    """What is under way was sent after the backup, or comes again from the outboxes."""
    connection = await connect(broker.admin, ADMIN_SECONDS)
    try:
        channel = await connection.channel(publisher_confirms=False)
        for name in (queue_of, urgent_of):
            for service in SERVICES:
                queue = await channel.get_queue(name(service.name), ensure=False)
                await queue.purge(timeout=ADMIN_SECONDS)
    finally:
        await close(connection)


def main(argv: Sequence[str]) -> int:
    """Runs with the addresses found; says in a sentence what is wrong when it cannot."""
    parser = argparse.ArgumentParser(
        prog="python -m services restore",
        description="Brings a backup back. Everything: Peerly is stopped, the database is empty or given up with "
        "--replace. One --service: while all of them run; the others are brought in line with the copy. Either all of "
        "it happens or nothing. A backup of a newer Peerly is refused, one of an older is migrated.",
        epilog="PEERLY_SECRET (.env, or secrets.json in the data folder) should be the one of then; with another one "
        "auth makes a new signing key at its start, and everybody signs in again.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="as `backup` has made it")
    parser.add_argument("--service", choices=SERVICE_NAMES, help="only this one's schema")
    parser.add_argument("--replace", action="store_true", help="give up what is in the database now")
    options = parser.parse_args(argv)

    async def work() -> None:
        env = Env()
        async with addresses(env) as where:
            file, folder = options.file.absolute(), data_folder(env)
            if options.service:
                await restore_one(where, file, folder, options.service, out=sys.stdout)
            else:
                await restore_all(where, file, folder, replace=options.replace, out=sys.stdout)

    try:
        asyncio.run(work())
    except (*CANNOT, AMQPError) as error:
        sys.stderr.write(f"The restore could not be done: {error}\n")
        return USAGE_ERROR
    return 0
