"""Brings entries of an archive into a database: pg_restore makes the SQL, psql runs it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TextIO

from services.backups.archive import Archive, tables
from services.backups.programs import Programs, address, failed, watched
from services.backups.progress import Tables
from services.backups.taking import server_of

CHUNK = 1 << 16
NEW_SETTING = b"SET transaction_timeout = 0;\n"
HAS_NEW_SETTING = 17


@dataclass(frozen=True, slots=True)
class Content:
    """Some of an archive's entries, and the SQL before and after them; `before` begins the transaction."""

    archive: Archive
    entries: Sequence[str]
    before: str
    after: str


async def load(programs: Programs, url: str, content: Content, out: TextIO) -> None:
    """Commits only when all of it has come, else nothing has changed. Raises `CannotDo`."""
    major, _ = await server_of(url)
    progress = Tables(out, "restore", tables(content.entries), "processing data for table")
    with tempfile.NamedTemporaryFile("w", suffix=".list") as listed:
        listed.write("\n".join(content.entries) + "\n")
        listed.flush()
        file = str(content.archive.file)
        reader = await asyncio.create_subprocess_exec(
            programs.path("pg_restore"), "--verbose", f"--use-list={listed.name}", "--file=-", file,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        async with watched(reader, progress.heard) as said:
            writer = await _psql(programs, url)
            async with watched(writer, lambda _: None) as errors:
                try:
                    await _send(writer, content.before.encode())
                    await _copy(reader, writer, skip=b"" if major >= HAS_NEW_SETTING else NEW_SETTING)
                    if await reader.wait() != 0:
                        raise failed("pg_restore", said)
                    await _send(writer, f"{content.after}COMMIT;\n".encode())
                except (BrokenPipeError, ConnectionResetError):
                    await writer.wait()
                _input_of(writer).close()
                if await writer.wait() != 0:
                    raise failed("psql", errors)
    progress.close()


async def _psql(programs: Programs, url: str) -> asyncio.subprocess.Process:
    bare, environment = address(url)
    return await asyncio.create_subprocess_exec(
        programs.path("psql"), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={bare}", env=environment,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def _copy(reader: asyncio.subprocess.Process, writer: asyncio.subprocess.Process, *, skip: bytes) -> None:
    """`skip` stands in the first lines, where a newer pg_restore sets what this server does not know."""
    if reader.stdout is None:
        raise ValueError("the program's output goes elsewhere")
    first = True
    while chunk := await reader.stdout.read(CHUNK):
        await _send(writer, chunk.replace(skip, b"", 1) if first and skip else chunk)
        first = False


async def _send(writer: asyncio.subprocess.Process, data: bytes) -> None:
    stream = _input_of(writer)
    stream.write(data)
    await stream.drain()


def _input_of(process: asyncio.subprocess.Process) -> asyncio.StreamWriter:
    if process.stdin is None:
        raise ValueError("the program's input comes from elsewhere")
    return process.stdin
