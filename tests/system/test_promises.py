"""What the whole system promises under load and when it is killed, measured from outside."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path

import aiohttp
import asyncpg
import psutil
import pytest

from deploy.broker import SERVICES
from services.processes import Processes
from tests.support.history import Client, judge
from tests.support.processes import ADMIN_EMAIL, ADMIN_PASSWORD, running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.servers_postgres import PrivatePostgres
from tests.support.servers_rabbitmq import PrivateRabbitmq
from tests.support.story import Story
from tests.support.waiting import eventually

pytestmark = pytest.mark.alone

MEGABYTE = 1024 * 1024
LARGEST_SERVICE = 100 * MEGABYTE
PEOPLE = 24


@pytest.fixture(scope="module")
async def system(
    postgres: Postgres, rabbitmq: Rabbitmq, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Processes]:
    async with running_system(postgres, rabbitmq, tmp_path_factory.mktemp("promises")) as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=15)) as opened:
        yield opened


@pytest.fixture
async def story(system: Processes, session: aiohttp.ClientSession) -> Story:
    begun = Story(system.url, session, ADMIN_EMAIL, ADMIN_PASSWORD)
    await begun.begin()
    return begun


async def recognitions(story: Story, count: int) -> list[int]:
    """So many recognitions that Ann gave Ben."""
    asked = {"given_for": story.people["ben"].id, "core_value_id": story.value_id, "text": "For everything"}
    first = await story.until_taken("/recognitions", "ann", asked)
    rest = [await story.post("/recognitions", story.people["ann"].token, asked, 201) for _ in range(count - 1)]
    return [first["id"], *(one["id"] for one in rest)]


async def set_limit(story: Story, limit: int) -> None:
    """Changes the organisation's limit and waits until it is what Cyd can spend."""
    path = f"{story.url}/organisations/{story.org_id}"
    headers = {"Authorization": f"Bearer {story.people['boss'].token}"}
    async with story.session.patch(path, json={"hi5_limit": limit}, headers=headers) as answer:
        assert answer.status == 200, await answer.text()

    async def is_in_force() -> bool:
        return bool((await story.get("/quota/me", "cyd"))["limit"] == limit)

    await eventually(is_in_force, within=10)


async def test_64_connections_on_a_balance_of_three_give_exactly_three(story: Story) -> None:
    await set_limit(story, 3)
    praised = await recognitions(story, 64)
    client = Client(story.url, story.session, {1: story.people["cyd"].token})
    given = await asyncio.gather(*(client.give_hi5(1, one) for one in praised))
    assert Counter(one.statuses[-1] for one in given) == {201: 3, 400: 61}

    async def ledger_agrees() -> None:
        assert (await story.get("/quota/me", "cyd"))["spent"] == 3
        assert (await story.get("/quota/me", "cyd"))["balance"] == 0

    await eventually(ledger_agrees, within=5)
    await story.prove()


async def test_load_is_answered_and_processes_stay_small(system: Processes, story: Story) -> None:
    await set_limit(story, 10_000)
    praised = await recognitions(story, 200)
    tokens = {number: story.people[name].token for number, name in enumerate(("cyd", "boss", "judge"))}
    client = Client(story.url, story.session, tokens)
    work = iter(list(itertools.product(tokens, praised)))

    async def worker() -> None:
        for giver, one in work:
            await client.give_hi5(giver, one)

    await asyncio.gather(*(worker() for _ in range(32)))
    assert Counter(one.statuses[-1] for one in client.operations) == {201: 600}
    await eventually(story.prove, within=30)
    for name in SERVICES:
        assert psutil.Process(system.pids[name]).memory_info().rss < LARGEST_SERVICE, name


@pytest.mark.fault
async def test_everything_killed_during_writes_loses_and_doubles_nothing(system: Processes, story: Story) -> None:
    async def kill_all() -> None:
        for name in (*SERVICES, "gateway"):
            system.kill(name)

    await survive(system, story, kill_all, rounds=3)


@pytest.mark.fault
async def test_database_and_broker_killed_too_lose_and_double_nothing(
    tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    async with PrivatePostgres(tmp_path / "postgres") as database, PrivateRabbitmq(tmp_path / "rabbitmq") as broker:
        servers = Postgres("private", database.url), Rabbitmq("private", broker.url, broker.control)
        async with running_system(*servers, tmp_path) as system:
            story = Story(system.url, session, ADMIN_EMAIL, ADMIN_PASSWORD)
            await story.begin()

            async def kill_all() -> None:
                for name in (*SERVICES, "gateway"):
                    system.kill(name)
                await asyncio.gather(database.kill(), broker.kill())
                await asyncio.gather(database.restart(), broker.restart())

            await survive(system, story, kill_all, rounds=2)


async def survive(system: Processes, story: Story, kill_all: Callable[[], Awaitable[None]], rounds: int) -> None:
    """Hi5s of three people while everything is killed; then each answer is compared with what is there."""
    await set_limit(story, 10_000)
    praised = await recognitions(story, 20 * rounds)
    givers = {number: story.people[name].token for number, name in enumerate(("cyd", "boss", "judge"))}
    client = Client(story.url, story.session, givers)
    pairs = list(itertools.product(givers, praised))
    work = iter(random.Random(7).sample(pairs, len(pairs)))

    async def worker() -> None:
        for giver, one in work:
            if (await client.give_hi5(giver, one)).outcome == "unknown":
                await asyncio.sleep(0.2)

    async def killer() -> None:
        for number in range(rounds):
            await eventually(partial(has_asked, client, len(pairs) * (2 * number + 1) // (2 * rounds)), within=60)
            await kill_all()
            for name in (*SERVICES, "gateway"):
                await system.until_ready(name)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(killer())
        for _ in range(8):
            tasks.create_task(worker())
    await repeat_unknown(client)
    verdict = judge(client.operations, await present(system, story))
    assert (verdict.lost, verdict.unexpected, verdict.duplicated) == (0, 0, 0), verdict
    assert verdict.acknowledged == len(pairs), verdict
    await eventually(story.prove, within=60)


def has_asked(client: Client, times: int) -> bool:
    return len(client.operations) >= times


async def repeat_unknown(client: Client) -> None:
    """As a client would: the same key until the answer says what became of it."""

    async def settled() -> bool:
        open_ones = [one for one in client.operations if one.outcome == "unknown"]
        await asyncio.gather(*(client.repeat(one) for one in open_ones))
        return not [one for one in client.operations if one.outcome == "unknown"]

    await eventually(settled, within=60, every=0.2)


async def present(system: Processes, story: Story) -> list[tuple[int, int]]:
    """The hi5s in the table: recognition and who gave it, by the client's numbers."""
    numbers = {story.people[name].id: number for number, name in enumerate(("cyd", "boss", "judge"))}
    connection = await asyncpg.connect(system.settings.database_url)
    try:
        rows = await connection.fetch(
            "SELECT recognition_id, given_by FROM recognition.hi5s WHERE org_id = $1", story.org_id
        )
    finally:
        await connection.close()
    return [(row["recognition_id"], numbers[row["given_by"]]) for row in rows]
