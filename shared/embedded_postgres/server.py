"""Starts, adopts and stops the server of an embedded PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
import psutil

from shared.embedded_postgres.account import Account, EmbeddedPostgresError, check_reach, choose_account
from shared.embedded_postgres.cluster import SUPERUSER, Cluster, FolderLock, embedded_binaries

READY_SECONDS = 120.0
ORPHAN_SECONDS = 10.0
POLL_SECONDS = 0.02
SOCKET_PATH_BYTES = 107
STOP_STEPS = ((signal.SIGINT, 5.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 1.0))
"""PostgreSQL's fast shutdown; its immediate one, which recovers at the next start; the last resort. Seconds to wait."""
LOGGING = {
    "logging_collector": "on",
    "log_directory": "log",
    "log_filename": "postgresql-%a.log",
    "log_rotation_age": "1d",
    "log_truncate_on_rotation": "on",
}
NOT_READY = (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.PostgresConnectionError)


class EmbeddedPostgres:
    """A PostgreSQL server on 127.0.0.1 with its data below `data_dir`, for one owner at a time.

    `binaries` is the folder of PostgreSQL's programs (default: those of the package `embedded-postgres`), `port` 0 is
    any free one, `settings` are PostgreSQL's own; `socket_dir` holds its Unix socket. The server outlives a killed
    owner, and the next owner adopts it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        binaries: Path | None = None,
        port: int = 0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = data_dir.resolve()
        self._binaries = binaries or embedded_binaries()
        self._cluster = Cluster(self._folder, self._binaries)
        self._asked_port = port
        self._settings = {**LOGGING, **(settings or {})}
        self._lock = FolderLock(self._folder / "owner.lock")
        self._process: psutil.Process | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self.port = 0
        self.socket_dir = self._folder

    @property
    def url(self) -> str:
        """The superuser's URL, of the database `postgres`."""
        return f"postgresql://{SUPERUSER}:{self._cluster.password}@127.0.0.1:{self.port}/postgres"

    def running_url(self) -> str | None:
        """The superuser's URL of the server that another process runs on this folder now, if one does."""
        found = self._cluster.running()
        if found is None:
            return None
        return f"postgresql://{SUPERUSER}:{self._cluster.password}@127.0.0.1:{found.port}/postgres"

    @property
    def pid(self) -> int | None:
        """The server's process, while it is started."""
        return self._process.pid if self._process else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Returns when the server answers. Raises `EmbeddedPostgresError`, or `OSError` for an impossible folder."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock.take()
        try:
            await self._bring_up(await self._prepare())
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends the server and its children within eight seconds; running transactions are rolled back."""
        for number, seconds in STOP_STEPS:
            if not self._alive():
                break
            self._signal(number)
            await self._wait_until_gone(seconds)
        self._process = self._child = None
        if self.socket_dir != self._folder:
            shutil.rmtree(self.socket_dir, ignore_errors=True)
        self._lock.release()

    async def _prepare(self) -> Account:
        account = await choose_account(self._folder)
        account.own(self._folder)
        account.own(self._lock.path)
        await check_reach(account, self._folder, self._binaries / "postgres")
        await self._cluster.ensure(account)
        return account

    async def _bring_up(self, account: Account) -> None:
        """Asks the server until it answers; one that was about to end when it was adopted is started anew."""
        try:
            async with asyncio.timeout(READY_SECONDS):
                while not (self._alive() and await self._answers()):
                    if not self._alive():
                        await self._adopt_or_launch(account)
                    await asyncio.sleep(POLL_SECONDS)
        except TimeoutError:
            raise EmbeddedPostgresError(
                f"PostgreSQL did not get ready within {READY_SECONDS:.0f} seconds. {self._last_words()}"
            ) from None

    async def _adopt_or_launch(self, account: Account) -> None:
        if self._child is not None:
            await self._wait_for_orphans()  # the log's writer ends after the server: then its last words are there
            if not self._lost_its_port():
                raise EmbeddedPostgresError(f"PostgreSQL ended while it started. {self._last_words()}")
        found = self._cluster.running()
        if found is None:
            await self._wait_for_orphans()
            self._cluster.forget_foreign_pid()
            self._launch(account)
        else:
            self._child = None
            self._process = _process(found.pid)
            self.port = found.port
            self.socket_dir = Path(found.socket_dir or self._folder)

    def _launch(self, account: Account) -> None:
        self.port = self._asked_port or _free_port()
        self.socket_dir = self._short_folder(account)
        settings = {
            **self._settings,
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
            "unix_socket_permissions": "0700",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        postgres = str(self._binaries / "postgres")
        self._child = account.start(postgres, "-D", str(self._cluster.path), *options, output=self._start_log)
        account.own(self._start_log)
        self._process = _process(self._child.pid)

    @property
    def _start_log(self) -> Path:
        return self._folder / "start.log"

    def _short_folder(self, account: Account) -> Path:
        if self.socket_dir != self._folder and self.socket_dir.exists():
            return self.socket_dir
        if len(os.fsencode(self._folder / ".s.PGSQL.65535.lock")) <= SOCKET_PATH_BYTES:
            return self._folder
        folder = Path(tempfile.mkdtemp(prefix="peerly-"))
        os.chown(folder, account.uid, account.gid)
        return folder

    async def _wait_for_orphans(self) -> None:
        """The children of a killed server notice it by themselves; until then they hold its shared memory."""
        deadline = asyncio.get_running_loop().time() + ORPHAN_SECONDS
        while orphans := self._cluster.users():
            if asyncio.get_running_loop().time() > deadline:
                raise EmbeddedPostgresError(
                    f"Processes of an earlier PostgreSQL still use {self._cluster.path}: {orphans}. "
                    "End them and start again."
                )
            await asyncio.sleep(POLL_SECONDS)

    async def _answers(self) -> bool:
        if self.pid is None or not self._cluster.is_ready(self.pid):
            return False
        try:
            connection = await asyncpg.connect(self.url, timeout=2)
        except NOT_READY:
            return False
        except asyncpg.InvalidPasswordError:
            raise EmbeddedPostgresError(
                f"The password in {self._folder / 'password'} is not the database's. Put the right one back."
            ) from None
        await connection.close(timeout=2)
        return True

    def _alive(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return self._process is not None and _is_running(self._process)

    def _signal(self, number: signal.Signals) -> None:
        try:
            if self._process is not None:
                self._process.send_signal(number)
        except psutil.NoSuchProcess:
            pass

    async def _wait_until_gone(self, seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        while self._alive() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(POLL_SECONDS)

    def _lost_its_port(self) -> bool:
        """Another program took the free port between the look and the use: any other does as well."""
        return not self._asked_port and "Address already in use" in self._last_words()

    def _last_words(self) -> str:
        started = self._start_log.read_text(errors="replace") if self._start_log.exists() else ""
        return f"{started}\n{self._cluster.last_words()}".strip()


def _process(pid: int) -> psutil.Process | None:
    try:
        return psutil.Process(pid)
    except psutil.NoSuchProcess:
        return None


def _is_running(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
