"""A PostgreSQL of the tests' own, from installed programs or the package's: to clone databases on, and to kill."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

from shared.embedded_postgres import EmbeddedPostgres
from shared.embedded_postgres.cluster import embedded_binaries
from tests.support.ports import free_port

QUICK = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}
"""Nothing here has to survive the machine, only its own kill -9: that needs no fsync."""


def postgres_binaries() -> Path:
    """The newest PostgreSQL that is installed, as Debian lays it out or on the PATH; else the package's."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_version)
    if installed:
        return installed[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path and shutil.which("initdb") else embedded_binaries()


def _version(program: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", program.parents[1].name))


class PrivatePostgres:
    """A server in a folder and on a port of its own that tests may kill; it keeps both through a restart."""

    def __init__(
        self, folder: Path, binaries: Path | None = None, settings: Mapping[str, str] = MappingProxyType(QUICK)
    ) -> None:
        self.port = free_port()
        self._folder, self._settings = folder, settings
        self._server = self._of(binaries or postgres_binaries())

    def _of(self, binaries: Path) -> EmbeddedPostgres:
        return EmbeddedPostgres(self._folder, binaries=binaries, port=self.port, settings=self._settings)

    @property
    def url(self) -> str:
        """The superuser's URL."""
        return self._server.url

    @property
    def pid(self) -> int:
        assert self._server.pid is not None, "the server is not started"
        return self._server.pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop()

    async def kill(self) -> None:
        """kill -9 of the server; its children notice and end by themselves."""
        os.kill(self.pid, signal.SIGKILL)
        await self._server.stop()

    async def restart(self, binaries: Path | None = None) -> None:
        """With other programs, if they are given."""
        await self.stop()
        if binaries is not None:
            self._server = self._of(binaries)
        await self.start()
