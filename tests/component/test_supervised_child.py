"""A supervised process: restarted when it dies, stopped when asked, its output passed on."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from services.processes.child import Child
from tests.support.waiting import eventually

SLEEPER = "import time; print('{\"event\":\"up\"}', flush=True); print('plain words', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
PARENT = "import subprocess, time; subprocess.Popen(['sleep', '600']); time.sleep(600)"


@asynccontextmanager
async def supervised(program: str, log: Path | None = None) -> AsyncIterator[Child]:
    child = Child("sleeper", [sys.executable, "-c", program], dict(os.environ), log=log)
    task = asyncio.create_task(child.supervise())
    try:
        yield child
    finally:
        await child.stop(1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def pid_of(child: Child) -> int:
    return await eventually(lambda: child.pid or 0)


async def another_pid(child: Child, former: int) -> None:
    await eventually(lambda: child.pid not in (None, former))


async def test_what_dies_is_started_again_with_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "peerly")
    async with supervised(SLEEPER) as child:
        for _ in range(3):
            pid = await pid_of(child)
            child.send(signal.SIGKILL)
            await another_pid(child, pid)
    pauses = [vars(record)["pause"] for record in caplog.records]
    assert pauses == [0.1, 0.2, 0.4]
    assert {vars(record)["reason"] for record in caplog.records} == {"signal SIGKILL"}


def wait_for_its_end(pid: int) -> None:
    """Blocks the event loop, which so does not hear of the end that another thread has seen."""
    for _ in range(1_000):
        if not psutil.pid_exists(pid):
            return
        time.sleep(0.01)
    raise AssertionError(f"process {pid} goes on")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_signal_to_what_has_just_ended_is_none(number: signal.Signals) -> None:
    async with supervised(SLEEPER) as child:
        pid = await pid_of(child)
        child.send(signal.SIGKILL)
        wait_for_its_end(pid)
        assert child.pid == pid
        child.send(number)
        await another_pid(child, pid)


async def test_a_program_that_cannot_be_found_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING", "peerly")
    child = Child("nothing", ["/nonexistent/program"], {})
    task = asyncio.create_task(child.supervise())
    await eventually(lambda: len(caplog.records) >= 2)
    await child.stop(1)
    task.cancel()
    assert "No such file" in vars(caplog.records[0])["reason"]


async def test_what_is_stopped_stays_down_until_wanted() -> None:
    async with supervised(SLEEPER) as child:
        await pid_of(child)
        await child.stop(5)
        assert child.pid is None
        child.want(True)
        assert psutil.pid_exists(await pid_of(child))


async def test_what_does_not_listen_is_killed() -> None:
    async with supervised(STUBBORN) as child:
        await eventually(lambda: "up" in child.last_lines)
        pid = await pid_of(child)
        await child.stop(0.2)
        assert not psutil.pid_exists(pid)


async def test_its_own_children_do_not_outlive_it() -> None:
    async with supervised(PARENT) as child:
        pid = await pid_of(child)
        [grandchild] = await eventually(lambda: psutil.Process(pid).children())
        child.send(signal.SIGKILL)
        await eventually(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


async def test_output_is_passed_on_with_the_name_of_the_process(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    async with supervised(SLEEPER) as child:
        await eventually(lambda: len(child.last_lines) == 2)
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines() if line.startswith(b'{"process"')]
    assert lines[0] == {"process": "sleeper", "event": "up"}
    assert lines[1] == {"process": "sleeper", "event": "output", "text": "plain words"}


async def test_output_may_go_to_a_file(tmp_path: Path) -> None:
    async with supervised(SLEEPER, tmp_path / "log") as child:
        await pid_of(child)
        await eventually(lambda: "plain words" in (tmp_path / "log").read_text())


async def test_a_supervisor_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    program = (
        "import asyncio, os, sys; from pathlib import Path\n"
        "from services.processes.child import Child\n"
        f"child = Child('x', [sys.executable, '-c', {SLEEPER!r}], dict(os.environ), log=Path('/dev/null'))\n"
        "async def watch():\n"
        "    task = asyncio.create_task(child.supervise())\n"
        "    while child.pid is None: await asyncio.sleep(0.01)\n"
        "    print(child.pid, flush=True)\n"
        "    await task\n"
        "asyncio.run(watch())\n"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    pid = int(await process.stdout.readline())
    process.kill()
    await process.communicate()
    await eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
