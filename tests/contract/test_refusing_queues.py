"""One queue that takes nothing: what goes elsewhere is not kept waiting, and each subject stays in order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from shared.bus import Message, Refused
from shared.bus.rabbitmq import PUBLISH_SECONDS
from shared.bus.topology import queue_of
from tests.contract.station import PUBLISHER, Network, Station, changed, deleted
from tests.contract.test_rabbitmq import channel_on
from tests.support.servers import Control, Rabbitmq
from tests.support.waiting import eventually

CHANGED, DELETED = changed(1).TYPE, deleted(1).TYPE


@pytest.fixture
def control(rabbitmq: Rabbitmq) -> Control:
    assert rabbitmq.control is not None, "nothing here may stop a queue of the given RabbitMQ"
    return rabbitmq.control


@asynccontextmanager
async def stopped(control: Control, amqp_url: str, service: str) -> AsyncIterator[None]:
    """The queue's process does nothing, as if a majority of its replicas were away: no confirm comes."""
    process = f"whereis('{urlsplit(amqp_url).path[1:]}_{queue_of(service)}')"
    await control("eval", f"sys:suspend({process}).")
    try:
        yield
    finally:
        await control("eval", f"sys:resume({process}).")


async def goes_to_auth_alone(amqp_url: str, wire_type: str) -> None:
    async with channel_on(amqp_url) as channel:
        queue = await channel.get_queue(queue_of("quota"))
        await queue.unbind(f"peerly.{PUBLISHER}", wire_type)


async def has(station: Station, ids: list[UUID]) -> bool:
    return set(ids) <= set(await station.effects())


async def test_a_queue_that_takes_nothing_is_told_from_a_silent_broker(
    rabbit_network: Network, amqp_url: str, control: Control
) -> None:
    await rabbit_network.bus.connect()
    async with stopped(control, amqp_url, "quota"):
        with pytest.raises(Refused):
            await rabbit_network.bus.publish(Message(UUID(int=1), PUBLISHER, DELETED, b"{}"))
        assert rabbit_network.bus.healthy()


async def test_events_for_other_queues_do_not_wait(rabbit_network: Network, amqp_url: str, control: Control) -> None:
    await goes_to_auth_alone(amqp_url, CHANGED)
    publisher, auth = rabbit_network.publisher, rabbit_network.stations["auth"]
    rabbit_network.start()
    async with stopped(control, amqp_url, "quota"):
        stuck = await publisher.record(*(deleted(number) for number in range(150)))
        await eventually(partial(is_held, publisher, 150), within=30)
        waits = [await seconds_until_felt(publisher, auth, number) for number in range(1_000, 1_040)]
        follower = await publisher.record(changed(1, 2))
        passed = await publisher.record(changed(2_000))
        await eventually(lambda: has(auth, passed), within=PUBLISH_SECONDS * 3)
        assert not await has(auth, follower), "it went before an earlier event of its subject"
    assert sorted(waits)[len(waits) * 3 // 4] < 1, waits
    await eventually(lambda: has(auth, [*stuck, *follower]), within=60)
    await eventually(lambda: has(rabbit_network.stations["quota"], stuck), within=30)
    felt = await auth.effects()
    assert felt.index(stuck[1]) < felt.index(follower[0])
    assert len(felt) == len(set(felt))
    await rabbit_network.stop()


async def is_held(publisher: Station, count: int) -> bool:
    query = "SELECT count(*) FROM outbox WHERE sent_at IS NULL AND retry_at > clock_timestamp()"
    return bool(await publisher.value(query) >= count - 1)


async def seconds_until_felt(publisher: Station, subscriber: Station, number: int) -> float:
    began = time.monotonic()
    ids = await publisher.record(changed(number))
    await eventually(lambda: has(subscriber, ids), within=PUBLISH_SECONDS * 3)
    await asyncio.sleep(0.1)
    return time.monotonic() - began - 0.1
