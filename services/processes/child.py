"""One supervised process: started, its output passed on, started again with growing pauses when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import logging
import os
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from shared import telemetry

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
STEADY_SECONDS = 30.0
LINES_KEPT = 20
LONGEST_LINE = 2**20
PR_SET_PDEATHSIG = 1
NOT_HANDLED = (signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT)


@dataclass
class Child:
    """`stop_signal` asks it to end in good order; its output goes to the file `log`, or on to our own."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    log: Path | None = None
    process: asyncio.subprocess.Process | None = None
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES_KEPT))
    _wanted: bool = True
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _pause: float = FIRST_PAUSE

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None and self.process.returncode is None else None

    async def supervise(self) -> None:
        """Keeps it running while it is wanted; ends only by being cancelled."""
        try:
            while True:
                await self._until_wanted()
                began = monotonic()
                reason = await self._run_once()
                if self._wanted:
                    await self._wait_before_restart(reason, monotonic() - began)
        finally:
            self._end_group()

    def send(self, number: signal.Signals) -> None:
        """A signal that cannot be handled goes to the whole group: nginx's workers would outlive their master.

        Nothing happens to what has just ended, also where its end is not known here yet.
        """
        if self.process is None or self.process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if number in NOT_HANDLED:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)

    def want(self, wanted: bool) -> None:
        """Whether it shall run from now on; a process that runs is not touched."""
        self._wanted = wanted
        self._changed.set()

    async def stop(self, seconds: float) -> None:
        """Asks it to end, waits, and kills it when it does not."""
        self.want(False)
        process = self.process
        if process is None:
            return
        self.send(self.stop_signal)
        try:
            async with asyncio.timeout(seconds):
                await process.wait()
        except TimeoutError:
            telemetry.log("process killed", level=logging.WARNING, child=self.name, after_seconds=seconds)
            self.send(signal.SIGKILL)
            await process.wait()

    async def _until_wanted(self) -> None:
        while not self._wanted:
            self._changed.clear()
            await self._changed.wait()

    async def _run_once(self) -> str:
        try:
            self.process = await self._start()
        except OSError as error:
            return str(error)
        await self._pass_output_on(self.process)
        code = await self.process.wait()
        self._end_group()
        return _reason(code)

    def _end_group(self) -> None:
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)

    async def _start(self) -> asyncio.subprocess.Process:
        with contextlib.ExitStack() as stack:
            output = stack.enter_context(self.log.open("ab")) if self.log else asyncio.subprocess.PIPE
            return await asyncio.create_subprocess_exec(
                *self.command,
                env=dict(self.environment),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                limit=LONGEST_LINE,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    async def _pass_output_on(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        async for line in process.stdout:
            self.last_lines.append(line.decode(errors="replace").rstrip())
            sys.stdout.buffer.write(_labelled(self.name, line))
            sys.stdout.buffer.flush()

    async def _wait_before_restart(self, reason: str, lived: float) -> None:
        if lived > STEADY_SECONDS:
            self._pause = FIRST_PAUSE
        pause = self._pause
        self._pause = min(LONGEST_PAUSE, pause * 2)
        telemetry.log(
            "process ended, starting it again", level=logging.WARNING, child=self.name, reason=reason, pause=pause
        )
        self._changed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause):
                await self._changed.wait()


def _labelled(name: str, line: bytes) -> bytes:
    """A JSON line gets the process as its first member; other words become a line of their own."""
    if line.startswith(b"{") and line.rstrip().endswith(b"}"):
        return b'{"process":"' + name.encode() + b'",' + line[1:]
    said = {"process": name, "event": "output", "text": line.decode(errors="replace").rstrip()}
    return json.dumps(said).encode() + b"\n"


def _reason(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _die_with_parent() -> None:
    """A supervisor that is killed leaves no process behind."""
    if sys.platform == "linux":
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


_LIBC = ctypes.CDLL(None)
