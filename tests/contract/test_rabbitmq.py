"""What only the broker can do to us: missing bindings, lost connections, several consumers, refused permissions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed

from deploy.broker import rights
from shared.bus import Message, Unconfirmed, Unroutable
from shared.bus.rabbitmq import RabbitBus
from shared.bus.topology import declare, queue_of
from shared.consumer import Received
from shared.database import Connection
from tests.contract.proxy import proxy_to
from tests.contract.station import PUBLISHER, SUBSCRIPTIONS, Network, Station, changed, deleted, remember
from tests.support.servers import Rabbitmq
from tests.support.waiting import eventually

DELETED = deleted(1).TYPE
HEADS_AT_MOST = 40
"""While a test runs, each of the three publishers sends one a second."""


@asynccontextmanager
async def channel_on(url: str) -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(url)
    try:
        yield await connection.channel(on_return_raises=True)
    finally:
        await connection.close()


async def unbind(url: str, *services: str) -> None:
    async with channel_on(url) as channel:
        for service in services:
            queue = await channel.get_queue(queue_of(service))
            await queue.unbind(f"peerly.{PUBLISHER}", DELETED)


async def test_event_that_no_queue_takes_stays_and_lets_others_pass(rabbit_network: Network, amqp_url: str) -> None:
    await unbind(amqp_url, "quota", "auth")
    rabbit_network.start()
    stuck = await rabbit_network.publisher.record(deleted(1))
    others = await rabbit_network.publisher.record(changed(2), changed(3))
    later = await rabbit_network.publisher.record(changed(1, 2))
    quota = rabbit_network.subscribers[0]
    await eventually(lambda: has_exactly(quota, others))

    async def are_marked() -> bool:
        return (await rabbit_network.publisher.backlog()).unsent == 2

    await eventually(are_marked)
    await declare(amqp_url, SUBSCRIPTIONS)
    await eventually(lambda: rabbit_network.arrived(stuck + others + later), within=30)
    assert (await quota.effects()).index(stuck[0]) < (await quota.effects()).index(later[0])
    await rabbit_network.stop()


async def test_event_that_only_one_queue_missed_comes_by_the_replay(rabbit_network: Network, amqp_url: str) -> None:
    await unbind(amqp_url, "quota")
    rabbit_network.start()
    ids = await rabbit_network.publisher.record(deleted(1), deleted(2))
    await eventually(lambda: has_exactly(rabbit_network.subscribers[1], ids))
    quota = rabbit_network.subscribers[0]
    await eventually(lambda: misses(quota, 2))
    rabbit_network.time.skip(31)
    await eventually(lambda: rabbit_network.arrived(ids), within=30)
    await rabbit_network.stop()


async def test_publishing_says_what_became_of_a_message(rabbit_network: Network, amqp_url: str) -> None:
    bus = rabbit_network.bus
    await bus.publish(Message(uuid4(), PUBLISHER, DELETED, b"{}"))
    with pytest.raises(Unroutable):
        await bus.publish(Message(uuid4(), PUBLISHER, "NobodyDeclaredThis.v1", b"{}"))
    with pytest.raises(Unconfirmed):
        await bus.publish(Message(uuid4(), "nobody", DELETED, b"{}"))
    await bus.publish(Message(uuid4(), PUBLISHER, DELETED, b"{}"))
    async with channel_on(amqp_url) as channel:
        assert (await channel.get_queue(queue_of("quota"))).declaration_result.message_count == 2


async def test_cut_connections_lose_and_double_nothing(rabbit_network: Network, amqp_url: str) -> None:
    async with proxy_to(amqp_url) as proxy:
        bus = RabbitBus(proxy.url)
        for station in rabbit_network.stations.values():
            station.start(bus)
        ids: list[UUID] = []
        for number in range(60):
            ids += await rabbit_network.publisher.record(*(changed(other, number) for other in range(5)))
            await asyncio.sleep(0.02)
            if number % 12 == 6:
                await proxy.cut()
        await eventually(lambda: rabbit_network.arrived(ids), within=20)
        await rabbit_network.stop()
        await bus.close()


async def test_publishing_goes_on_after_a_silent_network(rabbit_network: Network, amqp_url: str) -> None:
    async with proxy_to(amqp_url) as proxy:
        bus = RabbitBus(proxy.url)
        for station in rabbit_network.stations.values():
            station.start(bus)
        ids = await rabbit_network.publisher.record(deleted(1))
        await eventually(lambda: rabbit_network.arrived(ids))
        proxy.flowing.clear()
        ids += await rabbit_network.publisher.record(deleted(2))
        await eventually(lambda: not bus.healthy(), within=30)
        await proxy.cut()
        proxy.flowing.set()
        await eventually(lambda: rabbit_network.arrived(ids), within=15)
        await rabbit_network.stop()
        await bus.close()


async def test_starting_without_broker_waits_for_it(rabbit_network: Network, amqp_url: str) -> None:
    async with proxy_to(amqp_url) as proxy:
        target, proxy.target = proxy.target, "amqp://guest:guest@127.0.0.1:1/"
        bus = RabbitBus(proxy.url)
        for station in rabbit_network.stations.values():
            station.start(bus)
        ids = await rabbit_network.publisher.record(deleted(1))
        await eventually(lambda: proxy.refused >= 4)
        assert not bus.healthy()
        proxy.target = target
        await eventually(lambda: rabbit_network.arrived(ids), within=30)
        assert bus.healthy()
        await rabbit_network.stop()
        await bus.close()


async def test_an_orderly_stop_has_acknowledged_all_that_was_handled(rabbit_network: Network, amqp_url: str) -> None:
    rabbit_network.start()
    ids = await rabbit_network.publisher.record(*(deleted(number) for number in range(300)))
    quota = rabbit_network.subscribers[0]
    await eventually(quota.effects)
    await quota.stop()
    done = set(await quota.effects())
    left = await messages_in(amqp_url, queue_of("quota"))
    assert done.isdisjoint(UUID(message.message_id or "") for message in left)
    quota.start(rabbit_network.bus)
    await eventually(lambda: rabbit_network.arrived(ids), within=20)
    await rabbit_network.stop()


async def messages_in(amqp_url: str, name: str) -> list[AbstractIncomingMessage]:
    """Looks at them, and gives them back."""
    found: list[AbstractIncomingMessage] = []

    async def look(message: AbstractIncomingMessage) -> None:
        found.append(message)

    async with channel_on(amqp_url) as channel:
        queue = await channel.get_queue(name)
        count = queue.declaration_result.message_count or 0
        await queue.consume(look)
        await eventually(lambda: len(found) >= count)
    return found


async def test_two_processes_of_a_service_handle_one_event_at_a_time(
    rabbit_network: Network, new_rabbit_bus: Callable[[], Awaitable[RabbitBus]]
) -> None:
    at_work = 0

    async def alone(tx: Connection, received: Received[Any]) -> None:
        nonlocal at_work
        at_work += 1
        try:
            assert at_work == 1
            await remember(tx, received)
            await asyncio.sleep(0.001)
        finally:  # also when its process ends here
            at_work -= 1

    quota = rabbit_network.subscribers[0]
    quota.handler = alone
    second = Station("quota", quota.database, rabbit_network.time, alone)
    second.start(await new_rabbit_bus())
    rabbit_network.start()
    ids = []
    for number in range(100):
        ids += await rabbit_network.publisher.record(deleted(number), changed(number))
        await asyncio.sleep(0.005)
        if number == 50:
            await second.crash()
    await eventually(lambda: rabbit_network.arrived(ids), within=15)
    assert await quota.value("SELECT count(*) FROM dead") == 0
    await rabbit_network.stop()


async def test_two_relays_keep_the_order_and_send_once(
    rabbit_network: Network, new_rabbit_bus: Callable[[], Awaitable[RabbitBus]], amqp_url: str
) -> None:
    publisher = rabbit_network.publisher
    publisher.start(await new_rabbit_bus())
    publisher.start(rabbit_network.bus)
    ids = []
    for version in range(1, 41):
        ids += await publisher.record(*(changed(number, version) for number in range(10)))
    await eventually(publisher.at_rest, within=15)
    async with channel_on(amqp_url) as channel:
        count = (await channel.get_queue(queue_of("quota"))).declaration_result.message_count or 0
    assert len(ids) <= count <= len(ids) + HEADS_AT_MOST
    for station in rabbit_network.subscribers:
        station.start(rabbit_network.bus)
    await eventually(lambda: rabbit_network.arrived(ids), within=15)
    for station in rabbit_network.subscribers:
        assert set(map(tuple, (await station.versions()).values())) == {tuple(range(1, 41))}


async def test_frozen_leader_holds_the_outbox_for_ten_seconds_at_most(rabbit_network: Network) -> None:
    publisher = rabbit_network.publisher
    async with publisher.database.transaction() as tx:
        assert await tx.fetchval("SELECT lead_outbox()")
        assert await tx.fetchval("SHOW idle_in_transaction_session_timeout") == "10s"
        async with publisher.database.transaction() as other:
            assert not await other.fetchval("SELECT lead_outbox()")
    async with publisher.database.transaction() as other:
        assert await other.fetchval("SELECT lead_outbox()")


class TestPermissions:
    """Each service's broker user may do two things, and nothing else."""

    @pytest.fixture
    async def quota_url(self, rabbitmq: Rabbitmq, amqp_url: str, new_rabbit_bus: object) -> AsyncIterator[str]:
        assert rabbitmq.control is not None
        user = f"peerly_test_{uuid4().hex[:8]}"
        parts = urlsplit(amqp_url)
        allowed = rights("quota")
        await rabbitmq.control("add_user", user, "secret")
        await rabbitmq.control(
            "set_permissions", "-p", parts.path[1:], user, allowed["configure"], allowed["write"], allowed["read"]
        )
        yield urlunsplit(parts._replace(netloc=f"{user}:secret@{parts.hostname}:{parts.port}"))
        await rabbitmq.control("delete_user", user)

    async def test_two_legitimate_acts_are_allowed(self, quota_url: str) -> None:
        bus = RabbitBus(quota_url)
        assert await bus.bury("quota", b"{}", "a test")
        with pytest.raises(Unroutable):
            await bus.publish(Message(uuid4(), "quota", "NobodyDeclaredThis.v1", b"{}"))
        stop = asyncio.Event()
        seen: list[bytes] = []

        async def keep(body: bytes, reason: str) -> None:
            seen.append(body)

        assert await bus.exhume("quota", keep) == 1
        stop.set()
        await bus.consume("quota", partial(asyncio.sleep, 0), stop)
        await bus.close()
        assert seen == [b"{}"]

    async def test_everything_else_is_refused(self, quota_url: str) -> None:
        for act in ILLEGITIMATE:
            async with channel_on(quota_url) as channel:
                with pytest.raises((ChannelAccessRefused, ChannelPreconditionFailed)):
                    await act(channel)


async def publish_to(channel: AbstractChannel, exchange: str, key: str, user_id: str | None = None) -> None:
    message = aio_pika.Message(b"{}", user_id=user_id)
    if exchange:
        await (await channel.get_exchange(exchange, ensure=False)).publish(message, key)
    else:
        await channel.default_exchange.publish(message, key)


async def consume(channel: AbstractChannel, queue: str) -> None:
    async def acknowledge(message: AbstractIncomingMessage) -> None:
        await message.ack()

    await (await channel.get_queue(queue, ensure=False)).consume(acknowledge)


async def get(channel: AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).get()


async def purge(channel: AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).purge()


async def bind(channel: AbstractChannel, queue: str, exchange: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).bind(exchange, "#")


ILLEGITIMATE: tuple[Callable[[AbstractChannel], Awaitable[object]], ...] = (
    lambda channel: publish_to(channel, "peerly.auth", "UserJoined.v1"),
    lambda channel: publish_to(channel, "", "auth.events"),
    lambda channel: publish_to(channel, "dead.auth", ""),
    lambda channel: publish_to(channel, "peerly.quota", "Hi5BalanceChanged.v1", user_id="guest"),
    lambda channel: consume(channel, "auth.events"),
    lambda channel: get(channel, "dead.auth"),
    lambda channel: purge(channel, "auth.events"),
    lambda channel: bind(channel, "quota.events", "peerly.auth"),
    lambda channel: channel.declare_queue("of-my-own"),
    lambda channel: channel.queue_delete("quota.events"),
    lambda channel: channel.exchange_delete("peerly.quota"),
)


async def has_exactly(station: Station, ids: list[UUID]) -> bool:
    return sorted(await station.effects()) == sorted(ids)


async def misses(station: Station, count: int) -> bool:
    return (await station.backlog()).missing == count
