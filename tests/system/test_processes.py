"""Four services and nginx as processes: the whole story, with any of them killed, and an orderly end."""

import asyncio
import io
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest
import pytest_asyncio

from deploy.broker import SERVICES
from services.processes import CannotStart, Processes, ProcessSettings
from tests.support.ports import free_port
from tests.support.processes import ADMIN_EMAIL, ADMIN_PASSWORD, running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.story import Story
from tests.support.waiting import eventually


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def system(
    postgres: Postgres, rabbitmq: Rabbitmq, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Processes]:
    async with running_system(postgres, rabbitmq, tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="session")
async def story(system: Processes, session: aiohttp.ClientSession) -> Story:
    begun = Story(system.url, session, ADMIN_EMAIL, ADMIN_PASSWORD)
    await begun.begin()
    return begun


async def test_the_whole_story_ends_right(story: Story) -> None:
    first = await story.thank()
    await story.thank()
    await story.check()
    await story.report_and_hide(first)
    await story.check()


@pytest.mark.fault
@pytest.mark.parametrize("victim", [*SERVICES, "gateway"])
async def test_a_kill_in_the_middle_changes_nothing(system: Processes, story: Story, victim: str) -> None:
    first = await story.thank()
    system.kill(victim)
    await story.thank()
    system.kill(victim)
    await story.report_and_hide(first)
    await system.until_ready(victim)
    await story.check()


@pytest.mark.fault
async def test_hi5s_go_on_while_quota_and_moderation_are_away(system: Processes, story: Story) -> None:
    for away in ("quota", "moderation"):
        system.kill(away, hold=True)
    try:
        async with asyncio.timeout(10):
            await story.thank()
    finally:
        for away in ("quota", "moderation"):
            await system.start(away)
    await story.check()


@pytest.mark.fault
async def test_everything_killed_at_once_comes_back_right(system: Processes, story: Story) -> None:
    first = await story.thank()
    for name in (*SERVICES, "gateway"):
        system.kill(name)
    await story.thank()
    await story.report_and_hide(first)
    await story.check()


async def test_each_service_can_be_restarted_in_order(system: Processes, story: Story) -> None:
    for name in (*SERVICES, "gateway"):
        before = system.pids[name]
        began = time.monotonic()
        await system.stop(name)
        assert time.monotonic() - began < 10
        assert name not in system.pids
        await system.start(name)
        assert system.pids[name] != before
    await story.thank()
    await story.check()


async def test_readiness_of_each_service_is_seen_at_the_gateway(
    system: Processes, session: aiohttp.ClientSession
) -> None:
    for path in ("/readyz", *(f"/readyz/{name}" for name in SERVICES)):
        async with session.get(system.url + path) as answer:
            assert answer.status == 200, await answer.text()
    async with session.get(f"{system.url}/metrics") as answer:
        assert answer.status == 404


async def test_a_body_that_drips_is_refused_within_ten_seconds(system: Processes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", system.settings.port)
    writer.write(
        b"POST /login HTTP/1.1\r\nHost: peerly\r\nContent-Type: application/json\r\nContent-Length: 200\r\n\r\n{"
    )
    reading = asyncio.ensure_future(reader.readuntil(b"\r\n"))
    began = time.monotonic()
    while not reading.done() and time.monotonic() - began < 11:
        writer.write(b" ")
        await asyncio.wait([reading], timeout=0.5)
    writer.close()
    assert time.monotonic() - began < 10
    assert reading.result() == b"HTTP/1.1 400 Bad Request\r\n"


async def test_a_large_body_that_nobody_reads_still_gets_its_answer(
    system: Processes, session: aiohttp.ClientSession
) -> None:
    async def status_of(path: str) -> int:
        body = io.BytesIO(b'{"text": "' + b"x" * 255_000 + b'"}')
        async with session.post(system.url + path, data=body, headers={"Content-Type": "application/json"}) as answer:
            return answer.status

    paths = ["/recognitions", "/recognitions/1/report", "/users/1/restore", "/quota/users/1/adjustments"] * 10
    assert set(await asyncio.gather(*map(status_of, paths))) == {401}


async def test_all_logs_are_json_lines_without_secrets(system: Processes, story: Story) -> None:
    await story.thank()
    assert system.settings.logs is not None
    secrets = json.loads((system.settings.data_dir / "secrets.json").read_text()).values()
    for file in system.settings.logs.iterdir():
        text = file.read_text()
        assert all(json.loads(line)["event"] for line in text.splitlines()), file.name
        for secret in (*secrets, ADMIN_PASSWORD, story.people["ann"].token):
            assert secret not in text, file.name


def processes_of(port: int) -> list[psutil.Process]:
    return [
        one for one in psutil.process_iter(["environ"]) if (one.info["environ"] or {}).get("PEERLY_PORT") == str(port)
    ]


async def test_the_command_says_where_it_answers_and_leaves_nothing(system: Processes, tmp_path: Path) -> None:
    """On the same database and broker, while the other gateway still runs."""
    settings, port = system.settings, free_port()
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "secrets.json").write_text((settings.data_dir / "secrets.json").read_text())
    told = {
        **os.environ, "DATABASE_URL": settings.database_url, "AMQP_URL": settings.broker_url, "PEERLY_PORT": str(port),
        "PEERLY_DATA_DIR": str(data_dir), "PEERLY_BROKER_VHOST": settings.vhost,
    }  # fmt: skip
    for name in SERVICES:
        await system.stop(name)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", "processes", env=told, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        await until_said(process.stdout, f"http://127.0.0.1:{port}", 60)
        await until_said(process.stdout, "There is a super admin already; nothing was changed.", 30)
        assert len(processes_of(port)) >= len(SERVICES) + 1
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        await process.communicate()
        assert process.returncode == 0
        assert time.monotonic() - began < 10
        assert processes_of(port) == []
    finally:
        if process.returncode is None:
            process.kill()
        for name in SERVICES:
            await system.start(name)


async def until_said(output: asyncio.StreamReader, words: str, seconds: float) -> None:
    """Reads lines, those of the log among them, up to the first with these words."""
    async with asyncio.timeout(seconds):
        async for line in output:
            if words in line.decode():
                return
    pytest.fail(f"it ended and never said: {words}")


def free_ports() -> dict[str, int]:
    return {service: free_port() for service in SERVICES}


async def test_without_a_database_it_says_what_to_do(tmp_path: Path) -> None:
    nowhere = f"postgresql://127.0.0.1:{free_port()}/peerly"
    with pytest.raises(CannotStart, match=r"apt-get install postgresql.*DATABASE_URL="):
        await Processes(
            ProcessSettings(data_dir=tmp_path, port=free_port(), service_ports=free_ports(), database_url=nowhere)
        ).__aenter__()


async def test_without_a_broker_it_says_what_to_do(postgres: Postgres, tmp_path: Path) -> None:
    settings = ProcessSettings(
        data_dir=tmp_path,
        port=free_port(),
        service_ports=free_ports(),
        database_url=postgres.url,
        broker_url=f"amqp://127.0.0.1:{free_port()}",
    )
    with pytest.raises(CannotStart, match=r"apt-get install rabbitmq-server.*AMQP_URL="):
        await Processes(settings).__aenter__()


async def test_a_gateway_port_in_use_is_reported(system: Processes, tmp_path: Path) -> None:
    async with asyncio.timeout(30):
        with pytest.raises(CannotStart, match="in use"):
            await Processes(
                ProcessSettings(**{**vars(system.settings), "data_dir": tmp_path / "data", "logs": None})
            ).__aenter__()


async def test_gateway_log_has_the_requests(system: Processes, session: aiohttp.ClientSession) -> None:
    assert system.settings.logs is not None
    log = system.settings.logs / "gateway.log"
    async with session.get(f"{system.url}/users/me", headers={"X-Request-Id": "seen-in-the-log"}) as answer:
        assert answer.status == 401
    await eventually(lambda: "seen-in-the-log" in log.read_text())
    auth = system.settings.logs / "auth.log"
    await eventually(lambda: "seen-in-the-log" in auth.read_text())
