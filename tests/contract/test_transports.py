"""What both transports promise: every event to every subscriber, one effect each, whatever happens on the way."""

from __future__ import annotations

import asyncio
import random
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import orjson

from shared import inbox
from shared.bus import Message
from shared.consumer import Received
from shared.contracts import encode
from shared.contracts.recognition import CoreValueDeleted
from shared.database import Connection
from shared.dead import collect
from shared.envelope import Recorded, seal
from tests.contract.station import PUBLISHER, Network, Station, changed, deleted, remember
from tests.support.waiting import eventually

DATA = orjson.dumps(encode(deleted(1))).decode()


async def test_thousand_events_arrive_once_and_in_order_per_subject(network: Network) -> None:
    network.start()
    ids = []
    for version in range(1, 21):
        ids += await network.publisher.record(
            *(changed(number, version) for number in range(50)), org_id=version % 3 + 1
        )
    await eventually(lambda: network.arrived(ids), within=30)
    for station in network.subscribers:
        versions = await station.versions()
        assert set(map(tuple, versions.values())) == {tuple(range(1, 21))}
    await network.stop()


async def test_ten_copies_have_one_effect(network: Network) -> None:
    ids = await network.publisher.record(*(deleted(number) for number in range(30)))
    network.start()
    for _ in range(9):
        await eventually(lambda: network.arrived(ids), within=30)
        await network.publisher.value("UPDATE outbox SET sent_at = NULL")
    await eventually(lambda: network.arrived(ids), within=30)
    await network.stop()


async def test_shuffled_events_end_in_order_when_handlers_wait(network: Network) -> None:
    async def next_version_only(tx: Connection, received: Received[Any]) -> None:
        version = received.event.version
        newest = await tx.fetchval("SELECT coalesce(max(version), 0) FROM effects WHERE subject = $1", received.subject)
        if version != newest + 1:
            raise inbox.MissingPrerequisite(f"{received.subject}/{version - 1}")
        await remember(tx, received)
        await inbox.arrived(tx, f"{received.subject}/{version}")

    for station in network.subscribers:
        station.handler = next_version_only
    events = [changed(number, version) for number in range(10) for version in range(1, 21)]
    random.Random(7).shuffle(events)
    network.start()
    ids = await network.publisher.record(*events)
    await eventually(lambda: network.arrived(ids), within=30)
    for station in network.subscribers:
        assert set(map(tuple, (await station.versions()).values())) == {tuple(range(1, 21))}
    await network.stop()


async def test_failure_between_two_subscribers_loses_and_doubles_nothing(network: Network) -> None:
    """The first subscriber keeps the event, the second one's tables are out of reach, and each is tried again."""
    first, second = network.subscribers
    await network.administer("ALTER TABLE auth.inbox RENAME TO out_of_reach")
    network.start()
    ids = await network.publisher.record(*(deleted(number) for number in range(20)))
    await eventually(first.effects)
    assert await second.effects() == []
    await network.administer("ALTER TABLE auth.out_of_reach RENAME TO inbox")
    await eventually(lambda: network.arrived(ids), within=20)
    await network.stop()


async def test_event_that_nobody_handles_is_sent_and_holds_nothing_up(network: Network) -> None:
    network.start()
    await network.publisher.record(
        CoreValueDeleted(
            core_value_id=1, text="a", description="b", parent_core_value_id=None, thumbnail=None, version=1
        )
    )
    ids = await network.publisher.record(deleted(1))
    await eventually(lambda: network.arrived(ids))
    await network.stop()


async def test_failing_handler_is_tried_again_until_it_succeeds(network: Network) -> None:
    failures = 3

    async def fail_first(tx: Connection, received: Received[Any]) -> None:
        nonlocal failures
        if received.subject == "recognition/1" and failures:
            failures -= 1
            raise ValueError("not now")
        await remember(tx, received)

    network.subscribers[0].handler = fail_first
    network.start()
    ids = await network.publisher.record(deleted(1), deleted(2))
    await eventually(lambda: _effects_of(network, 0, 1))
    for _ in range(3):
        network.time.skip(120)
        await asyncio.sleep(0.1)
    await eventually(lambda: network.arrived(ids))
    await network.stop()


async def test_failing_event_takes_nobody_with_it(network: Network) -> None:
    """Events that are there at once share a transaction; one that fails has to go alone."""

    async def fail_some(tx: Connection, received: Received[Any]) -> None:
        await remember(tx, received)
        if received.event.recognition_id % 50 == 7:
            raise ValueError("not this one")

    station = network.subscribers[0]
    station.handler = fail_some
    ids = await network.publisher.record(*(deleted(number) for number in range(200)))
    network.start()
    await eventually(lambda: _effects_of(network, 0, 196), within=20)
    await eventually(lambda: _parked(network, 0, 4))
    station.handler = remember
    network.time.skip(120)
    await eventually(lambda: network.arrived(ids), within=30)
    await network.stop()


async def test_each_event_is_handled_for_its_own_tenant_and_request(network: Network) -> None:
    async def check(tx: Connection, received: Received[Any]) -> None:
        assert await tx.fetchval("SELECT tenant()") == received.org_id == received.event.recognition_id
        assert await tx.fetchval("SELECT request_id()") == received.request_id == "test"
        await remember(tx, received)

    network.subscribers[0].handler = check
    ids = []
    for number in range(1, 101):
        ids += await network.publisher.record(deleted(number), org_id=number)
    network.start()
    await eventually(lambda: network.arrived(ids), within=20)
    await network.stop()


async def test_handler_that_always_fails_leaves_its_event_dead_with_the_reason(network: Network) -> None:
    async def fail(tx: Connection, received: Received[Any]) -> None:
        raise ValueError("never \0 ever")

    station = network.subscribers[0]
    station.handler = fail
    network.start()
    await network.publisher.record(deleted(1))

    async def is_dead() -> bool:
        network.time.skip(120)
        return (await station.backlog()).dead == 1

    await eventually(is_dead, within=10, every=0.1)
    assert "never \\0 ever" in await station.value("SELECT reason FROM dead")
    assert (await station.backlog()).parked == 0
    assert (await station.backlog()).missing == 0
    await network.stop()


async def test_event_that_no_waiting_helps_is_dead_at_once(network: Network) -> None:
    async def refuse(tx: Connection, received: Received[Any]) -> None:
        raise inbox.NeverAcceptable("against the rules")

    station = network.subscribers[0]
    station.handler = refuse
    network.start()
    await network.publisher.record(deleted(1))
    await eventually(lambda: station.value("SELECT reason FROM dead"))
    assert (await station.backlog()).missing == 0
    await network.stop()


async def test_missing_prerequisite_is_released_by_a_command(network: Network) -> None:
    async def needs_a_member(tx: Connection, received: Received[Any]) -> None:
        if not await tx.fetchval("SELECT EXISTS (SELECT FROM effects WHERE subject = 'member')"):
            raise inbox.MissingPrerequisite("member")
        await remember(tx, received)

    station = network.subscribers[0]
    station.handler = needs_a_member
    network.start()
    await network.publisher.record(deleted(1))
    await eventually(lambda: _parked(network, 0, 1))
    async with station.database.transaction(1) as tx:
        await tx.execute("INSERT INTO effects (event_id, subject, version) VALUES ($1, 'member', 0)", uuid4())
        await inbox.arrived(tx, "member")
    await eventually(station.at_rest, within=1)
    assert len(await station.effects()) == 2
    await network.stop()


async def test_no_arrival_slips_between_looking_and_parking(network: Network) -> None:
    """The prerequisite comes at the same moment; whoever is first, the event takes effect."""
    looked = asyncio.Event()

    async def needs_its_key(tx: Connection, received: Received[Any]) -> None:
        key = f"key/{received.event.recognition_id}"
        found = await tx.fetchval("SELECT EXISTS (SELECT FROM effects WHERE subject = $1)", key)
        looked.set()
        await asyncio.sleep(random.random() / 100)
        if not found:
            raise inbox.MissingPrerequisite(key)
        await remember(tx, received)

    station = network.subscribers[0]
    station.handler = needs_its_key
    network.start()
    for number in range(25):
        looked.clear()
        await network.publisher.record(deleted(number))
        await looked.wait()
        async with station.database.transaction(1) as tx:
            await tx.execute(
                "INSERT INTO effects (event_id, subject, version) VALUES ($1, $2, 0)", uuid4(), f"key/{number}"
            )
            await asyncio.sleep(random.random() / 100)
            await inbox.arrived(tx, f"key/{number}")
    await eventually(lambda: _effects_of(network, 0, 50), within=2)
    assert await station.at_rest()
    await network.stop()


async def test_event_lost_on_the_way_is_asked_for_again(network: Network) -> None:
    """Marked as sent, but nobody got it: once in the middle, once at the end."""
    network.start()
    first = await network.publisher.record(deleted(1))
    await eventually(lambda: network.arrived(first))
    await network.publisher.stop()
    lost = await network.publisher.record(deleted(2))
    await network.publisher.value("SELECT number_outbox(100)")
    await network.publisher.value("UPDATE outbox SET sent_at = now()")
    network.publisher.start(network.bus)
    then = await network.publisher.record(deleted(3))
    await eventually(lambda: _effects_of(network, 1, 2))
    await network.publisher.stop()
    last = await network.publisher.record(deleted(4), changed(4, 2))
    await network.publisher.value("SELECT number_outbox(100)")
    await network.publisher.value("UPDATE outbox SET sent_at = now()")
    network.publisher.start(network.bus)
    network.time.skip(20)
    await eventually(lambda: _missing(network, 1, 3))
    network.time.skip(31)
    await eventually(lambda: network.arrived([*first, *lost, *then, *last]), within=30)
    await network.stop()


async def test_what_is_no_event_is_dead_at_once_and_holds_nothing_up(network: Network) -> None:
    network.start()
    await network.bus.connect()
    nonsense = (b"\xff\x00 not json", b'{"specversion": "1.0"}', b"[" * 5_000 + b"]" * 5_000, b"NaN")
    for body in nonsense:
        await network.bus.publish(Message(uuid4(), PUBLISHER, deleted(1).TYPE, body))
    ids = await network.publisher.record(deleted(1))
    for station in network.subscribers:
        await eventually(partial(_felt, station, ids))
        await eventually(partial(_dead, network, station, len(nonsense)))
        assert await station.value("SELECT count(*) FROM dead WHERE reason ~ 'not JSON|source is not'") == 4
    await network.stop()


async def test_event_by_way_of_another_publisher_is_refused(network: Network) -> None:
    network.start()
    await network.bus.connect()
    body = seal(Recorded(uuid4(), 1, deleted(1).TYPE, "recognition/1", network.time(), DATA, position=1), "auth")
    await network.bus.publish(Message(uuid4(), PUBLISHER, deleted(1).TYPE, body))
    for station in network.subscribers:
        await eventually(partial(_dead, network, station, 1))
        assert "does not come from auth" in await station.value("SELECT reason FROM dead")
        assert await station.effects() == []
    await network.stop()


async def _dead(network: Network, station: Station, count: int) -> bool:
    await collect(station.database, network.bus, station.name)
    return (await station.backlog()).dead == count


async def _felt(station: Station, ids: list[UUID]) -> bool:
    return await station.effects() == ids


async def _effects_of(network: Network, subscriber: int, count: int) -> bool:
    return len(await network.subscribers[subscriber].effects()) == count


async def _parked(network: Network, subscriber: int, count: int) -> bool:
    return (await network.subscribers[subscriber].backlog()).parked == count


async def _missing(network: Network, subscriber: int, count: int) -> bool:
    return (await network.subscribers[subscriber].backlog()).missing == count
