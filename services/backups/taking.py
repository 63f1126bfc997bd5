"""`python -m services backup FILE`: everything that the database holds, of one moment."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import asyncpg
from environs import Env

from services.backups.archive import opened, tables
from services.backups.programs import CannotDo, address, failed, find, watched
from services.backups.progress import Tables
from services.connections import SERVICE_NAMES, addresses
from shared.cli import USAGE_ERROR
from shared.embedded_postgres import EmbeddedPostgresError

CANNOT = (CannotDo, EmbeddedPostgresError, asyncpg.PostgresError, OSError)

_POWER = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
_TABLES = "SELECT count(*) FROM pg_tables WHERE schemaname = ANY($1)"


async def server_of(url: str) -> tuple[int, int]:
    """The server's major version and how many tables there are. Raises `CannotDo` for a role that sees too little."""
    admin = await asyncpg.connect(url, timeout=10)
    try:
        if not await admin.fetchval(_POWER):
            raise CannotDo(
                "DATABASE_URL has to name a superuser, or a role with BYPASSRLS: others see no tenant's rows."
            )
        return admin.get_server_version().major, await admin.fetchval(_TABLES, list(SERVICE_NAMES))
    finally:
        await admin.close(timeout=5)


async def take(url: str, file: Path, out: TextIO) -> None:
    """Writes the backup, whole or not at all. Raises one of `CANNOT`."""
    major, count = await server_of(url)
    if not count:
        raise CannotDo("The database has no tables of Peerly yet.")
    programs = await find(major)
    part = file.with_name(f"{file.name}.part")
    if file.exists():
        raise CannotDo(f"{file} is there already; a backup never replaces another one.")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        await _dump(programs.path("pg_dump"), url, part, Tables(out, "backup", count, "dumping contents of table"))
        archive = await opened(programs, part)
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    size = file.stat().st_size / 1e6
    out.write(f"{file}: {tables(archive.entries)} tables of {', '.join(SERVICE_NAMES)}, {size:.1f} MB, {_HOLDS}\n")


_HOLDS = (
    "readable by its owner alone. It holds people's data, hashes of passwords and tokens, and the signing keys, which "
    "PEERLY_SECRET locks. Keep that secret (.env, or secrets.json in the data folder) elsewhere: it is not in the file."
)


async def _dump(program: str, url: str, part: Path, progress: Tables) -> None:
    bare, environment = address(url)
    schemas = [f"--schema={service}" for service in SERVICE_NAMES]
    process = await asyncio.create_subprocess_exec(
        program, "--format=custom", "--verbose", "--lock-wait-timeout=30s", *schemas, f"--file={part}", bare,
        env=environment, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with watched(process, progress.heard) as lines:
        code = await process.wait()
    progress.close()
    if code != 0:
        raise failed(program, lines)


def main(argv: Sequence[str]) -> int:
    """Runs with the addresses found; says in a sentence what is wrong when it cannot."""
    parser = argparse.ArgumentParser(
        prog="python -m services backup",
        description="Writes all services' data, of one moment, into one new file that its owner alone can read, while "
        "Peerly runs. It needs pg_dump of the server's version or newer. The broker needs no backup.",
        epilog="PEERLY_SECRET is not in the file: keep .env, or the data folder's secrets.json, elsewhere.",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="is made; it must not exist")
    options = parser.parse_args(argv)

    async def work() -> None:
        async with addresses(Env()) as where:
            await take(where.admin, options.file.absolute(), sys.stdout)

    try:
        asyncio.run(work())
    except CANNOT as error:
        sys.stderr.write(f"No backup was made: {error}\n")
        return USAGE_ERROR
    return 0
