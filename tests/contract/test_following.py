"""What has waited for an event goes right after it: a chain that has fallen behind catches up while others come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson

from shared import history, inbox
from shared.bus import InProcessBus
from shared.bus.message import Delivery
from shared.consumer import FOLLOWING, Consumer, Received
from shared.contracts import encode
from shared.contracts.platform import OutboxHead
from shared.contracts.recognition import RecognitionChanged
from shared.database import Connection
from shared.envelope import Recorded, seal
from shared.replay import control_message
from tests.contract.conftest import network_on
from tests.contract.station import PUBLISHER, SUBSCRIPTIONS, Network, Station, changed, remember
from tests.support.databases import ScratchDatabase

LONG = FOLLOWING + 20


async def next_version_only(tx: Connection, received: Received[Any]) -> None:
    version = received.event.version
    newest = await tx.fetchval("SELECT coalesce(max(version), 0) FROM effects WHERE subject = $1", received.subject)
    if version != newest + 1:
        raise inbox.MissingPrerequisite(f"{received.subject}/{version - 1}")
    await remember(tx, received)
    await inbox.arrived(tx, f"{received.subject}/{version}")


def delivery(network: Network, event: RecognitionChanged) -> Delivery:
    data = orjson.dumps(encode(event)).decode()
    recorded = Recorded(uuid4(), 1, event.TYPE, event.subject, network.time(), data)
    return Delivery(seal(recorded, PUBLISHER), PUBLISHER)


async def behind(network: Network, versions: Sequence[int]) -> tuple[Station, Consumer]:
    """A consumer that nobody runs, with all of these parked."""
    station = network.subscribers[0]
    station.handler = next_version_only
    consumer = station.consumer(network.bus)
    for version in versions:
        await consumer.receive(delivery(network, changed(1, version)))
    assert (await station.backlog()).parked == len(versions)
    return station, consumer


async def test_a_chain_goes_right_after_what_it_has_waited_for(scratch: ScratchDatabase) -> None:
    async with network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as network:
        station, consumer = await behind(network, (5, 3, 2, 4))
        await consumer.receive(delivery(network, changed(1, 1)))
        assert await station.versions() == {"recognition/1": [1, 2, 3, 4, 5]}
        assert await station.at_rest()


async def test_also_after_events_that_were_handled_together(scratch: ScratchDatabase) -> None:
    async with network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as network:
        station, consumer = await behind(network, (3, 4))
        await consumer.receive_together([delivery(network, changed(1, version)) for version in (1, 2)])
        assert await station.versions() == {"recognition/1": [1, 2, 3, 4]}
        assert await station.at_rest()


async def test_events_that_came_in_another_order_share_a_transaction(scratch: ScratchDatabase) -> None:
    """One of them waits for what is not there and is parked by it, and copies of both kinds change nothing."""
    transactions: dict[int, int] = {}

    async def note(tx: Connection, received: Received[Any]) -> None:
        await next_version_only(tx, received)
        transactions[received.event.version] = await tx.fetchval("SELECT txid_current()")

    async with network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as network:
        station, consumer = await behind(network, ())
        station.handler = note
        three, one, two, five = (delivery(network, changed(1, version)) for version in (3, 1, 2, 5))
        others = [delivery(network, changed(number, 1)) for number in (2, 3, 4)]
        await consumer.receive_together([three, *others, five, three, one, two, five, one])
        assert (await station.versions())["recognition/1"] == [1, 2, 3]
        assert (set(transactions), len(set(transactions.values()))) == ({1, 2, 3}, 1)
        assert (await station.backlog()).parked == 1
        await consumer.receive_together([delivery(network, changed(1, 4)), delivery(network, changed(5, 1))])
        assert (await station.versions())["recognition/1"] == [1, 2, 3, 4, 5]
        assert await station.at_rest()


async def test_nobody_is_behind_the_next_event_of_a_transaction(scratch: ScratchDatabase) -> None:
    actors: list[str] = []

    async def note(tx: Connection, received: Received[Any]) -> None:
        actors.append(await tx.fetchval("SELECT coalesce(current_setting('app.actor_id', true), '')"))
        await history.by(tx, 7)
        await remember(tx, received)

    async with network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as network:
        station, consumer = await behind(network, ())
        station.handler = note
        await consumer.receive_together([delivery(network, changed(number, 1)) for number in (1, 2, 3)])
        assert actors == ["", "", ""]


async def test_what_has_to_be_looked_at_alone_does_not_part_its_neighbours(scratch: ScratchDatabase) -> None:
    """A publisher's head, and an event that came before: those in front of each and behind it share a transaction."""
    transactions: list[int] = []

    async def note(tx: Connection, received: Received[Any]) -> None:
        await remember(tx, received)
        transactions.append(await tx.fetchval("SELECT txid_current()"))

    async with network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as network:
        station, consumer = await behind(network, ())
        station.handler = note
        head = control_message(OutboxHead(publisher=PUBLISHER, epoch=1, heads=()), PUBLISHER, network.time())
        first, second, third, fourth, fifth = (delivery(network, changed(1, version)) for version in range(1, 6))
        come = [first, second, Delivery(head.body, PUBLISHER), replace(third, attempts=1), fourth, fifth]
        for _ in range(2):
            await consumer.receive_together(come)
        assert await station.versions() == {"recognition/1": [1, 2, 3, 4, 5]}
        assert [transactions.count(one) for one in dict.fromkeys(transactions)] == [2, 1, 2]


async def test_one_that_comes_too_early_and_is_released_meanwhile_is_not_parked(scratch: ScratchDatabase) -> None:
    """Its prerequisite commits between the first look and the one under the lock."""
    looks = 0

    async def late(tx: Connection, received: Received[Any]) -> None:
        nonlocal looks
        looks += received.event.version == 2
        if looks < 4 and received.event.version == 2:
            raise inbox.MissingPrerequisite("late")
        await remember(tx, received)

    async with network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as network:
        station, consumer = await behind(network, ())
        station.handler = late
        events = (changed(1, 2), changed(2, 1), changed(3, 1))
        await consumer.receive_together([delivery(network, event) for event in events])
        assert looks == 4
        assert await station.versions() == {"recognition/1": [2], "recognition/2": [1], "recognition/3": [1]}
        assert await station.at_rest()


async def test_a_jumble_goes_one_by_one(scratch: ScratchDatabase) -> None:
    async with network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as network:
        station, consumer = await behind(network, ())
        await consumer.receive_together([delivery(network, changed(1, version)) for version in (4, 2, 3, 1, 6)])
        assert await station.versions() == {"recognition/1": [1, 2, 3, 4]}
        assert (await station.backlog()).parked == 1


async def test_a_long_chain_lets_others_go_between_its_parts(scratch: ScratchDatabase) -> None:
    async with network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as network:
        station, consumer = await behind(network, range(2, LONG + 1))
        await consumer.receive(delivery(network, changed(1, 1)))
        assert (await station.backlog()).parked == LONG - 1 - FOLLOWING
        await consumer.receive(delivery(network, changed(2, 1)))
        assert (await station.versions())["recognition/1"] == list(range(1, LONG + 1))
        assert await station.at_rest()


async def test_what_nothing_has_released_does_not_hold_up_what_is(scratch: ScratchDatabase) -> None:
    """All are due to be looked at once more, the chain's head last of its own: it brings the others along."""
    async with network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as network:
        station, consumer = await behind(network, (*range(11, 1, -1), *range(20, 30)))
        async with station.database.transaction(1) as tx:
            await tx.execute(
                "INSERT INTO effects (event_id, subject, version) VALUES ($1, 'recognition/1', 1)", uuid4()
            )
        network.time.skip(2 * inbox.SHORTEST_WAIT.total_seconds())
        await consumer._retry_due()
        assert (await station.versions())["recognition/1"] == list(range(1, 12))
        assert (await station.backlog()).parked == 10
