"""Real processes that die at the worst moments, and are started again."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from uuid import UUID

from shared.backlog import Backlog
from shared.dead import collect
from tests.contract.conftest import NewBus, network_on
from tests.contract.station import SERVICES, Network, Station, changed, deleted
from tests.support.databases import ScratchDatabase
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
POINTS = "relay.after_publish", "relay.before_mark", "inbox.before_commit", "inbox.after_commit", "consumer.before_ack"


class Supervisor:
    """Starts a process again whenever it dies."""

    def __init__(self, *arguments: str, failpoints: str = "") -> None:
        self._arguments = arguments
        self._environment = {**os.environ, "PEERLY_FAILPOINTS": failpoints, "PYTHONPATH": str(ROOT)}
        self.deaths = 0
        self.process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        while True:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.contract.process", *self._arguments, cwd=ROOT, env=self._environment
            )
            await self.process.wait()
            self.deaths += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Supervisor]:
        task = asyncio.create_task(self.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            if self.process is not None and self.process.returncode is None:
                self.process.kill()
                await self.process.wait()


async def record_until(enough: Callable[[], bool], network: Network) -> list[UUID]:
    """Events at a leisurely pace, until enough processes have died."""
    ids: list[UUID] = []
    async with asyncio.timeout(60):
        for number in count():
            if enough() and number >= 50:
                break
            ids += await network.publisher.record(changed(number), deleted(number), deleted(number, 2))
            await asyncio.sleep(0.02)
    return ids


def database_of(scratch: ScratchDatabase, service: str) -> str:
    return f"{service}={scratch.url(service)}"


async def test_processes_that_die_anywhere_lose_and_double_nothing(
    scratch: ScratchDatabase, rabbit_network: Network, amqp_url: str
) -> None:
    chances = ",".join(f"{point}:0.01" for point in POINTS)
    async with AsyncExitStack() as stack:
        supervisors = [
            await stack.enter_async_context(
                Supervisor(amqp_url, "-", database_of(scratch, service), failpoints=chances).running()
            )
            for service in SERVICES
        ]
        ids = await record_until(lambda: sum(one.deaths for one in supervisors) >= 5, rabbit_network)
        await eventually(lambda: rabbit_network.arrived(ids), within=90, every=0.2)


async def test_one_process_that_dies_between_its_subscribers_loses_and_doubles_nothing(
    scratch: ScratchDatabase, new_in_process_bus: NewBus
) -> None:
    chances = ",".join(f"{point}:0.02" for point in POINTS)
    services = [database_of(scratch, service) for service in SERVICES]
    async with (
        network_on(scratch, await new_in_process_bus()) as network,
        Supervisor("-", "-", *services, failpoints=chances).running() as supervisor,
    ):
        ids = await record_until(lambda: supervisor.deaths >= 3, network)
        await eventually(lambda: network.arrived(ids), within=90, every=0.2)


async def test_event_that_kills_its_process_dies_alone(
    scratch: ScratchDatabase, rabbit_network: Network, amqp_url: str
) -> None:
    """It comes when 32 messages are under way, so that its neighbours are delivered again with it."""
    publisher, quota, auth = rabbit_network.stations.values()
    for station in (publisher, auth):
        station.start(rabbit_network.bus)
    async with Supervisor(amqp_url, "recognition/666", database_of(scratch, "quota")).running() as supervisor:
        ids = await publisher.record(*(deleted(number) for number in range(100)))
        await eventually(partial(has_effects, quota, ids), within=30)
        ids += await publisher.record(*(deleted(number) for number in range(100, 120)))
        poison = await publisher.record(deleted(666))
        ids += await publisher.record(*(deleted(number) for number in range(120, 180)))
        await eventually(partial(has_effects, quota, ids), within=60, every=0.1)
        assert 2 <= supervisor.deaths <= 6
    assert await collect(quota.database, rabbit_network.bus, "quota") == 1
    assert await quota.value("SELECT event_id FROM dead") == poison[0]
    assert (await quota.backlog()) == Backlog(unsent=0, replays=0, parked=0, dead=1, missing=0)
    await rabbit_network.stop()


async def has_effects(station: Station, ids: Sequence[UUID]) -> bool:
    return sorted(await station.effects()) == sorted(ids)
