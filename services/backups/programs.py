"""PostgreSQL's own programs: those of the server's version where they are installed, else newer ones."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from shared.embedded_postgres import EmbeddedPostgresError
from shared.embedded_postgres.cluster import embedded_binaries

VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
NEEDED = ("pg_dump", "pg_restore", "psql")
DEBIAN = Path("/usr/lib/postgresql")
LAST_WORDS = 5


class CannotDo(Exception):
    """The message says what is wrong and what to do."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder that holds them, and their major version."""

    folder: Path
    major: int

    def path(self, name: str) -> str:
        return str(self.folder / name)


async def find(server_major: int) -> Programs:
    """Raises `CannotDo` where there are none, or only older ones than the server."""
    found = [programs for folder in _folders() if (programs := await _in(folder)) is not None]
    usable = sorted((one for one in found if one.major >= server_major), key=lambda one: one.major)
    if usable:
        return usable[0]
    seen = ", ".join(f"{one.major} in {one.folder}" for one in found) or "none"
    raise CannotDo(
        f"This needs {', '.join(NEEDED)} of PostgreSQL {server_major} or newer, and found: {seen}. "
        f"Install them (on Debian or Ubuntu: apt-get install postgresql-client-{server_major}), or run `make setup`."
    )


def _folders() -> Iterator[Path]:
    yield from (folder / "bin" for folder in sorted(DEBIAN.glob("*")))
    if (on_path := shutil.which(NEEDED[0])) is not None:
        yield Path(on_path).resolve().parent
    try:
        yield embedded_binaries()
    except EmbeddedPostgresError:
        return


async def _in(folder: Path) -> Programs | None:
    if not all((folder / name).exists() for name in NEEDED):
        return None
    printed = await output([str(folder / NEEDED[0]), "--version"])
    version = VERSION.search(printed)
    return Programs(folder, int(version[1])) if version else None


async def output(command: Sequence[str]) -> str:
    """What a program prints. Raises `CannotDo` with its last words when it fails."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    out, errors = await process.communicate()
    if process.returncode != 0:
        raise failed(command[0], errors.decode(errors="replace").splitlines())
    return out.decode()


def failed(program: str, lines: Sequence[str]) -> CannotDo:
    """Names the program and the last it said."""
    return CannotDo(f"{Path(program).name} failed: {' | '.join(lines[-LAST_WORDS:])}")


def address(url: str) -> tuple[str, dict[str, str]]:
    """The address without its password, which goes into the environment: arguments can be read by everybody."""
    parts = urlsplit(url)
    user, _, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    bare = urlunsplit(parts._replace(netloc=f"{name}@{place}" if name else place))
    return bare, {**os.environ, "PGCONNECT_TIMEOUT": "10", **({"PGPASSWORD": unquote(password)} if password else {})}


@asynccontextmanager
async def watched(process: asyncio.subprocess.Process, heard: Callable[[str], None]) -> AsyncIterator[list[str]]:
    """Collects what a program says on standard error, each line told to `heard`; leaves no process behind."""
    lines: list[str] = []

    async def listen(stream: asyncio.StreamReader) -> None:
        async for raw in stream:
            line = raw.decode(errors="replace").rstrip()
            heard(line)
            lines.append(line)
            del lines[:-50]

    if process.stderr is None:
        raise ValueError("the program's standard error goes elsewhere")
    listening = asyncio.create_task(listen(process.stderr))
    try:
        yield lines
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        await listening
