"""`make run` as a newcomer meets it: on an empty folder, with what it prints, stopped or killed and started again."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import orjson
import psutil
import pytest

from tests.support.databases import ScratchDatabase
from tests.support.ports import free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
READY = re.compile(r"Ready at (\S+) after ([0-9.]+) s")
LARGEST = 300 * 1024 * 1024
PRINTED_FIRST_SECONDS = 60
FIRST_START_SECONDS, LATER_START_SECONDS = 60, 5
STOP_SECONDS = 10


@dataclass
class OneProcess:
    """A started `python -m services`, what it printed, and where it answers."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def url(self) -> str:
        return self._ready().group(1)

    @property
    def seconds_to_ready(self) -> float:
        return float(self._ready().group(2))

    def _ready(self) -> re.Match[str]:
        found = READY.search(self.text)
        assert found is not None, self.text
        return found

    async def until_welcomed(self) -> None:
        await eventually(lambda: "Stop it with" in self.text or self._died(), within=PRINTED_FIRST_SECONDS)

    def _died(self) -> bool:
        assert self.process.returncode is None, f"it ended with {self.process.returncode}: {self.text}"
        return False

    async def stop(self) -> None:
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(self.process.wait(), STOP_SECONDS) == 0, self.text
        assert time.monotonic() - began < STOP_SECONDS


@asynccontextmanager
async def started(folder: Path, port: int, **environment: str) -> AsyncIterator[OneProcess]:
    told = {name: value for name, value in os.environ.items() if not name.startswith(("PEERLY_", "TEST_", "GOOGLE_"))}
    told.pop("DATABASE_URL", None)
    told |= {"PEERLY_DATA_DIR": str(folder), "PEERLY_PORT": str(port), **environment}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", cwd=ROOT, env=told,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    made = OneProcess(process)
    reading = asyncio.create_task(_read(made))
    try:
        await made.until_welcomed()
        yield made
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await reading


async def _read(made: OneProcess) -> None:
    assert made.process.stdout is not None
    async for line in made.process.stdout:
        made.lines.append(line.decode().rstrip("\n"))


def processes_in(folder: Path) -> list[psutil.Process]:
    """Whatever still works in the data folder: the database above all."""
    return [one for one in psutil.process_iter(["cwd"]) if (one.info["cwd"] or "").startswith(str(folder))]


async def pasted(text: str) -> str:
    """What a shell makes of the printed commands."""
    commands = text[text.index("TOKEN=") : text.index("Stop it with")]
    shell = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", commands, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(shell.communicate(), 30)
    assert shell.returncode == 0, output.decode()
    return output.decode()


async def listed(url: str, text: str) -> list[dict[str, object]]:
    """The feed as the printed employee sees it."""
    email, password = re.findall(r"employee +(\S+) / (\S+)", text)[0]
    async with aiohttp.ClientSession(url) as session:
        async with session.post("/login", json={"username": email, "password": password}) as answer:
            token = (await answer.json())["data"]["token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with session.get("/recognitions?limit=100", headers=headers) as answer:
            rows: list[dict[str, object]] = (await answer.json())["data"]
            return rows


async def test_newcomer_gives_a_recognition_with_the_printed_lines(tmp_path: Path) -> None:
    port = free_port()
    async with started(tmp_path, port) as first:
        assert first.seconds_to_ready < FIRST_START_SECONDS
        assert "Super admin, shown this once: admin@peerly.test / " in first.text
        answers = await pasted(first.text)
        assert '"text":"Thank you for the great start!"' in answers.replace('": ', '":')
        assert len(await listed(first.url, first.text)) == 100
        assert psutil.Process(first.process.pid).memory_info().rss < LARGEST
        await first.stop()
    assert processes_in(tmp_path) == []
    async with started(tmp_path, port) as second:
        assert second.seconds_to_ready < LATER_START_SECONDS
        assert "shown this once" not in second.text
        rows = await listed(second.url, first.text)
        assert rows[0]["text"] == "Thank you for the great start!"
        await second.stop()


async def books_are_proved(folder: Path) -> None:
    """By the operator's tool, beside the running process."""
    proof = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", "proof", cwd=ROOT, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PEERLY_DATA_DIR": str(folder), "DATABASE_URL": ""},
    )  # fmt: skip
    output, _ = await proof.communicate()
    assert proof.returncode == 0, output.decode()
    assert output.decode().splitlines()[-1].endswith(" hold, 0 wait, 0 broken")


@pytest.mark.fault
async def test_killed_process_and_its_database_come_back_with_everything(tmp_path: Path) -> None:
    port = free_port()
    async with started(tmp_path, port) as first:
        await pasted(first.text)
        first.process.kill()
    for process in processes_in(tmp_path):
        with suppress(psutil.NoSuchProcess):  # the server's children end with it
            process.kill()
    async with started(tmp_path, port) as second:
        assert (await listed(second.url, first.text))[0]["text"] == "Thank you for the great start!"
        await eventually(lambda: books_are_proved(tmp_path), within=60, every=1)
        await second.stop()
    assert processes_in(tmp_path) == []


async def test_runs_on_a_given_database_and_broker_without_a_demo(
    tmp_path: Path, scratch: ScratchDatabase, amqp_url: str
) -> None:
    given = {
        "DATABASE_URL": scratch.admin_url,
        "AMQP_URL": amqp_url,
        "PEERLY_ADMIN_EMAIL": "boss@corp.test",
        **{
            f"PEERLY_{name}_DATABASE_PASSWORD": scratch.password or "unused"
            for name in ("AUTH", "RECOGNITION", "QUOTA", "MODERATION")
        },
    }
    async with started(tmp_path, free_port(), **given) as one:
        assert "Demo" not in one.text
        assert "Super admin, shown this once: boss@corp.test / " in one.text
        async with aiohttp.ClientSession(one.url) as session:
            for path in (
                "/readyz",
                "/v1/readyz",
                "/",
                "/openapi.json",
                "/postman.json",
                "/v1/spec.yaml",
                "/docs",
                "/healthz",
            ):
                async with session.get(path) as answer:
                    assert answer.status == 200, path
            async with session.get("/metrics") as answer:
                assert answer.status == 404
            async with session.get("/openapi.json") as answer:
                assert orjson.loads(await answer.read())["openapi"].startswith("3.1")
        await one.stop()


WRONG_SETTINGS = [
    ("AMQP_URL", "nonsense"),
    ("DATABASE_URL", "nonsense"),
    ("PEERLY_TRUSTED_PROXIES", "abc"),
    ("PEERLY_ADMIN_EMAIL", "notmail"),
    ("PEERLY_DEMO", "maybe"),
    ("PEERLY_RATE_LIMITS", "sometimes"),
    ("PEERLY_PORT", "http"),
    ("PEERLY_PORT", "99999"),
    ("PEERLY_POOL_SIZE", "0"),
    ("PEERLY_PUBLIC_URL", "nope"),
    ("PEERLY_CORS_ORIGINS", "*"),
]


@pytest.mark.parametrize(("name", "value"), WRONG_SETTINGS)
async def test_a_wrong_setting_is_said_in_one_sentence(tmp_path: Path, name: str, value: str) -> None:
    told = {**os.environ, "PEERLY_DATA_DIR": str(tmp_path), "PEERLY_PORT": str(free_port()), name: value}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", cwd=ROOT, env=told,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 2
    last = errors.decode().splitlines()[-1]
    assert last.startswith("Peerly cannot start: ")
    assert name in last
    assert processes_in(tmp_path) == []


WORDS = [
    "run", "migrate", "processes", "demo", "import", "proof", "doctor", "backup", "restore", "keys", "admin", "dead",
    "rebuild", "docs",
]  # fmt: skip


@pytest.mark.parametrize("word", [[], *([word] for word in WORDS)], ids=["", *WORDS])
async def test_help_is_help_and_nothing_else(tmp_path: Path, word: list[str]) -> None:
    told = {**os.environ, "PEERLY_DATA_DIR": str(tmp_path / "data")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", *word, "--help", cwd=ROOT, env=told,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await asyncio.wait_for(process.communicate(), 30)
    assert (process.returncode, errors) == (0, b"")
    assert out.startswith(f"usage: python -m services{''.join(f' {one}' for one in word)} ".encode())
    assert not (tmp_path / "data").exists()


async def test_the_keys_are_turned_while_it_runs(tmp_path: Path) -> None:
    async def keys(*words: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services", "keys", *words, cwd=ROOT, env=told, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode == 0
        return out.decode()

    told = {**os.environ, "PEERLY_DATA_DIR": str(tmp_path)}
    told.pop("DATABASE_URL", None)
    async with started(tmp_path, free_port(), PEERLY_DEMO="off") as one:
        [old] = (await keys("list")).splitlines()
        assert "signs in" in await keys("rotate")
        assert f"{old.split()[0]} is refused from now on" in await keys("retire", old.split()[0])
        assert old.split()[0] not in await keys("list")
        await one.stop()


async def test_a_taken_port_is_said_in_one_sentence(tmp_path: Path) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    told = {**os.environ, "PEERLY_DATA_DIR": str(tmp_path), "PEERLY_PORT": str(port), "PEERLY_DEMO": "off"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", cwd=ROOT, env=told,
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    server.close()
    assert process.returncode == 2
    assert "Peerly cannot start" in errors.decode().splitlines()[-1]
    assert str(port) in errors.decode().splitlines()[-1]
    assert processes_in(tmp_path) == []
