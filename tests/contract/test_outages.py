"""A broker that is killed, and a consumer that freezes. The broker is the test's own."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest

from shared.bus.rabbitmq import RabbitBus
from shared.bus.topology import declare
from tests.contract.conftest import network_on
from tests.contract.station import SUBSCRIPTIONS, Network, changed, deleted
from tests.contract.test_crashes import Supervisor, database_of, has_effects
from tests.support.databases import ScratchDatabase
from tests.support.servers_rabbitmq import PrivateRabbitmq
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault

TAKEOVER_SECONDS = 15.0


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[PrivateRabbitmq]:
    async with PrivateRabbitmq(tmp_path) as broker:
        await declare(broker.url, SUBSCRIPTIONS)
        yield broker


async def test_killed_broker_loses_and_doubles_nothing(scratch: ScratchDatabase, broker: PrivateRabbitmq) -> None:
    bus = RabbitBus(broker.url)
    async with network_on(scratch, bus) as network:
        network.start()
        stop = asyncio.Event()
        recording = asyncio.create_task(record_until(stop, network))
        await eventually(partial(some_effects, network, 20), within=20)
        await broker.kill()
        await broker.start()
        await eventually(bus.healthy, within=30)
        stop.set()
        ids = await recording
        await eventually(lambda: network.arrived(ids), within=30)
        await network.stop()
        await bus.close()


async def record_until(stop: asyncio.Event, network: Network) -> list[UUID]:
    ids: list[UUID] = []
    while not stop.is_set():
        ids += await network.publisher.record(deleted(len(ids)), changed(len(ids)))
        await asyncio.sleep(0.02)
    return ids


async def some_effects(network: Network, count: int) -> bool:
    return len(await network.subscribers[0].effects()) >= count


async def test_frozen_consumer_is_replaced_and_does_no_harm_when_it_wakes(
    scratch: ScratchDatabase, rabbit_network: Network, amqp_url: str
) -> None:
    publisher, quota, auth = rabbit_network.stations.values()
    for station in (publisher, auth):
        station.start(rabbit_network.bus)
    process = Supervisor(amqp_url, "-", database_of(scratch, "quota"))
    async with process.running():
        ids = await publisher.record(*(deleted(number) for number in range(30)))
        await eventually(partial(has_effects, quota, ids), within=30)
        assert process.process is not None
        process.process.send_signal(signal.SIGSTOP)
        quota.start(rabbit_network.bus)
        ids += await publisher.record(*(deleted(number) for number in range(30, 60)))
        frozen_at = time.monotonic()
        await eventually(partial(has_effects, quota, ids), within=TAKEOVER_SECONDS + 10, every=0.1)
        took = time.monotonic() - frozen_at
        process.process.send_signal(signal.SIGCONT)
        ids += await publisher.record(*(deleted(number) for number in range(60, 90)))
        await eventually(partial(has_effects, quota, ids), within=30)
        await eventually(lambda: rabbit_network.arrived(ids), within=30)
        assert took <= TAKEOVER_SECONDS
    await rabbit_network.stop()
