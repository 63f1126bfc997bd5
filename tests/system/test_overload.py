"""More load than can be done, and a dependency that is down: what is turned away, what is still done, and after it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest

from services.processes import Processes
from tests.support.load import Plan, http_request, put_on
from tests.support.processes import ADMIN_EMAIL, ADMIN_PASSWORD, running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.servers_postgres import PrivatePostgres
from tests.support.story import Story
from tests.support.waiting import eventually

pytestmark = [pytest.mark.alone, pytest.mark.fault]

TURNED_AWAY = {429, 503}
SHED_SECONDS = 0.02
RECOVERED_SECONDS = 5
USEFUL_WORK_KEPT = 0.8
ROUNDS = 2
CLIENTS = 1000


@pytest.fixture(scope="module")
async def database(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrivatePostgres]:
    async with PrivatePostgres(tmp_path_factory.mktemp("overload") / "postgres") as server:
        yield server


@pytest.fixture(scope="module")
async def system(
    database: PrivatePostgres, rabbitmq: Rabbitmq, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Processes]:
    folder = tmp_path_factory.mktemp("overload")
    async with running_system(Postgres("private", database.url), rabbitmq, folder) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as opened:
        yield opened


@pytest.fixture
async def work(system: Processes, session: aiohttp.ClientSession) -> list[str]:
    """What an ordinary hour has, in short: three reads of the feed for each recognition."""
    story = Story(system.url, session, ADMIN_EMAIL, ADMIN_PASSWORD)
    await story.begin()
    await story.thank()
    given = {"given_for": story.people["ben"].id, "core_value_id": story.value_id, "text": "For the night shift"}
    token = story.people["ann"].token
    reads = http_request("GET", "/recognitions?limit=20", token)
    return [reads, reads, reads, http_request("POST", "/recognitions", token, given)]


async def test_f46_three_times_the_load_is_shed_quickly_and_the_useful_work_goes_on(
    system: Processes, work: list[str]
) -> None:
    await put_on(Plan(system.url, work, 2, 32))
    kept = []
    for _ in range(ROUNDS):
        best = await put_on(Plan(system.url, work, 4, 32))
        flood = await put_on(Plan(system.url, work, 6, 2000, rate=3 * best.useful))
        kept.append(flood.useful / best.useful)
        shed = TURNED_AWAY & flood.answers.keys()
        assert shed, flood
        assert flood.answers.keys() <= TURNED_AWAY | {200, 201}, flood
        assert flood.unanswered == 0, flood
        assert max(flood.median[status] for status in shed) <= SHED_SECONDS, flood
        await put_on(Plan(system.url, work, RECOVERED_SECONDS, 200, rate=best.useful / 2))
        after = await put_on(Plan(system.url, work, 2, 200, rate=best.useful / 2))
        assert after.answers.keys() <= {200, 201}, after
    assert max(kept) >= USEFUL_WORK_KEPT, kept


async def test_f47_what_is_down_is_asked_no_more_often_than_clients_ask(
    system: Processes, database: PrivatePostgres, work: list[str], session: aiohttp.ClientSession
) -> None:
    before = await requests_served(system, session)
    await database.kill()
    down = await put_on(Plan(system.url, work, 5, CLIENTS, rate=CLIENTS / 5))
    served = await requests_served(system, session) - before
    assert down.answers.keys() == {503}, down
    assert down.unanswered == 0
    assert down.asked >= CLIENTS * 0.9
    assert 0.9 * down.asked <= served <= 1.1 * down.asked
    await database.restart()

    async def is_well() -> bool:
        well = await put_on(Plan(system.url, work, 0.5, 50, rate=100))
        return well.answers.keys() <= {200, 201}

    await eventually(is_well, within=RECOVERED_SECONDS)


async def requests_served(system: Processes, session: aiohttp.ClientSession) -> int:
    """How many requests reached the recognition service's routes, by its own count."""
    port = system.settings.service_ports["recognition"]
    async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        text = await answer.text()
    counted = re.findall(r'^peerly_http_requests_total\{.*route="/recognitions".*\} ([0-9.e+]+)$', text, re.MULTILINE)
    return round(sum(map(float, counted)))
