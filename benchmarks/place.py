"""Where it is measured: servers of its own with their default durability, Peerly as processes, filled organisations."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, time

import aiohttp

from benchmarks.comparing import Rounds
from benchmarks.filling import LARGE, SMALL, Organisation, fill
from benchmarks.measuring import ROOT, CannotMeasure
from services.processes import Processes
from shared.identity import Role
from tests.support.ports import free_port
from tests.support.processes import running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.servers_postgres import PrivatePostgres
from tests.support.servers_rabbitmq import PrivateRabbitmq
from tests.support.tokens import Signer

DURABLE = {"max_connections": "200"}
"""All else is PostgreSQL's default: fsync, synchronous_commit and full_page_writes are on."""
START_SECONDS = 60.0
STOP_SECONDS = 12.0
TOKENS_SECONDS = 1_800.0
"""They hold for an hour."""
IDLE_SECONDS = 0.5
"""After its start a worker is left alone for so long, until it has connected everywhere."""
_COUNTER = itertools.count(1)


@dataclass(slots=True)
class Place:
    """The installation under test; programs that a row starts end with the row."""

    system: Processes
    postgres: int
    signer: Signer
    folder: Path
    rounds: Rounds
    quick: bool
    numbers: int = 0

    @property
    def admin_url(self) -> str:
        return self.system.settings.database_url

    def token(self, person: int, organisation: Organisation = SMALL) -> str:
        return self.signer.token(person, Role.EMPLOYEE, organisation.id)

    def headers(self, organisation: Organisation = SMALL) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(organisation.givers[0], organisation)}"}

    def people(self) -> str:
        """A file of those who give, with their tokens: the same in all rounds, so that they were verified before."""
        path = self.folder / "people"
        if not path.exists() or time() - path.stat().st_mtime > TOKENS_SECONDS:
            path.write_text("".join(f"{person} {self.token(person)}\n" for person in SMALL.givers))
        return str(path)

    def environment(self, service: str, port: int) -> dict[str, str]:
        """What a process of a service is told, as by `make services`."""
        settings = self.system.settings
        return {
            **os.environ,
            **{name: value for name, value in settings.environment.items() if not name.startswith("PEERLY_ADMIN_")},
            "DATABASE_URL": self.system.database_url(service),
            "AMQP_URL": self.system.amqp_url(service),
            "PEERLY_HOST": "127.0.0.1",
            "PEERLY_PORT": str(settings.port),
            "PEERLY_SERVICE_PORT": str(port),
            "PEERLY_DATA_DIR": str(settings.data_dir),
        }

    @asynccontextmanager
    async def service(self, *words: str, module: str = "", ready: str = "/readyz") -> AsyncIterator[Program]:
        """One more process of a service, such as `recognition serve`."""
        port = free_port()
        command = [sys.executable, "-m", module or f"services.{words[0]}", *words[1:]]
        async with self.program(command, self.environment(words[0], port), port, ready) as program:
            yield program

    def serving(self, module: str = "") -> AbstractAsyncContextManager[Program]:
        """The HTTP side of the recognition service alone; without the broker it is alive, never ready."""
        return self.service("recognition", "serve", module=module, ready="/healthz")

    @asynccontextmanager
    async def worker(self, service: str, part: str) -> AsyncIterator[Program]:
        """The part of a service that relays or consumes."""
        command = [sys.executable, "-m", f"services.{service}", part]
        async with self.program(command, self.environment(service, free_port()), says=b'"started"') as program:
            yield program

    @asynccontextmanager
    async def peer(self, name: str, *arguments: str, **environment: str) -> AsyncIterator[Program]:
        """A peer that serves HTTP."""
        port = free_port()
        told = {
            **os.environ,
            "DATABASE_URL": self.system.database_url("recognition"),
            "SCHEMA": "recognition",
            "ORGANISATION": str(SMALL.id),
            **environment,
        }
        command = [sys.executable, "-m", f"benchmarks.peers.{name}", str(port), *arguments]
        async with self.program(command, told, port, "/") as program:
            yield program

    @asynccontextmanager
    async def program(
        self, command: Sequence[str], environment: Mapping[str, str], port: int = 0, ready: str = "", says: bytes = b""
    ) -> AsyncIterator[Program]:
        """Starts it, waits until it answers at its port or says that it is ready, and ends it."""
        log = self.folder / f"program-{next(_COUNTER)}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=ROOT, env=dict(environment), stdout=output, stderr=output
            )
        program = Program(process, f"http://127.0.0.1:{port}", log)
        try:
            if says:
                await until(lambda: program.has_said(says), START_SECONDS, " ".join(command[1:]))
                await asyncio.sleep(IDLE_SECONDS)
            else:
                await until(lambda: program.answers(ready), START_SECONDS, " ".join(command[1:]))
            yield program
        finally:
            await program.end()

    def bytes_file(self, body: bytes) -> str:
        """A file with these bytes, for what a peer has to answer with."""
        path = self.folder / f"bytes-{next(_COUNTER)}"
        path.write_bytes(body)
        return str(path)


@dataclass(frozen=True, slots=True)
class Program:
    """A process that was started for a row."""

    process: asyncio.subprocess.Process
    url: str
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def has_said(self, words: bytes) -> bool:
        """Raises `CannotMeasure` when it has ended."""
        self._require_running()
        return words in self.log.read_bytes()

    def _require_running(self) -> None:
        if self.process.returncode is not None:
            words = self.log.read_text(errors="replace")[-2000:]
            raise CannotMeasure(f"A program ended at its start with {self.process.returncode}:\n{words}")

    async def answers(self, path: str) -> bool:
        """Whether it answers, with 200 where readiness is asked for. Raises `CannotMeasure` when it has ended."""
        self._require_running()
        try:
            async with aiohttp.ClientSession() as session, session.get(self.url + path) as answer:
                return path == "/" or answer.status == 200
        except aiohttp.ClientError:
            return False

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), STOP_SECONDS)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()


async def until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Waits until a condition, awaitable or not, holds. Raises `CannotMeasure`."""
    deadline = monotonic() + seconds
    while True:
        found = condition()
        if await found if asyncio.iscoroutine(found) else found:
            return
        if monotonic() > deadline:
            raise CannotMeasure(f"{what}: not within {seconds:.0f} s")
        await asyncio.sleep(0.01)


@asynccontextmanager
async def prepared(folder: Path, rounds: Rounds, *, quick: bool, with_large: bool) -> AsyncIterator[Place]:
    """Everything ready to be measured; nothing is left running after."""
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(PrivatePostgres(folder / "postgres", settings=DURABLE))
        rabbitmq = await stack.enter_async_context(PrivateRabbitmq(folder / "rabbitmq"))
        system = await stack.enter_async_context(
            running_system(
                Postgres("benchmarks", postgres.url), Rabbitmq("benchmarks", rabbitmq.url, rabbitmq.control), folder
            )
        )
        signer = Signer("bench-key")
        await fill(system.settings.database_url, signer, (SMALL, LARGE) if with_large else (SMALL,))
        yield Place(system, postgres.pid, signer, folder, rounds, quick)
