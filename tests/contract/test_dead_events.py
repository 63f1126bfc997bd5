"""What a person does with events that could not be handled, and how read models are made anew."""

from __future__ import annotations

import io
from typing import Any
from uuid import UUID, uuid4

from shared import dead
from shared.bus import Message, replay_key
from shared.consumer import Received
from shared.database import Connection
from shared.envelope import Recorded, seal, unseal
from shared.inbox import bury
from shared.rebuild import caught_up, rebuild
from tests.contract.station import PUBLISHER, Network, Station, changed, deleted, remember
from tests.support.waiting import eventually


async def words(network: Network, station: Station, *argv: str) -> tuple[int, str]:
    out = io.StringIO()
    options = dead.parser("dead").parse_args(argv)
    code = await dead.run(options, station.database, network.bus, station.name, out=out, clock=network.time)
    return code, out.getvalue()


async def kill_one(network: Network) -> tuple[Station, UUID]:
    """An event that quota's handler refuses until it is dead; the handler is mended afterwards."""

    async def fail(tx: Connection, received: Received[Any]) -> None:
        raise ValueError("no such thing")

    quota = network.subscribers[0]
    quota.handler = fail
    network.start()
    (event_id,) = await network.publisher.record(deleted(1))

    async def is_dead() -> bool:
        network.time.skip(120)
        return (await quota.backlog()).dead == 1

    await eventually(is_dead, within=10, every=0.1)
    quota.handler = remember
    return quota, event_id


async def test_dead_event_is_listed_shown_and_given_back(network: Network) -> None:
    quota, event_id = await kill_one(network)
    code, text = await words(network, quota, "list")
    assert code == 0
    assert str(event_id) in text
    assert "ValueError: no such thing" in text
    number = text.splitlines()[1].split()[0]
    code, text = await words(network, quota, "show", number)
    assert code == 0
    assert '"peerly.RecognitionDeleted.v1"' in text
    assert await words(network, quota, "retry", number) == (0, f"{number}: given back to the consumer\n")
    await eventually(lambda: network.arrived([event_id]))
    assert await words(network, quota, "list") == (0, "No dead events.\n")


async def test_retry_of_what_was_handled_in_the_meantime_changes_nothing(network: Network) -> None:
    network.start()
    ids = await network.publisher.record(deleted(1))
    await eventually(lambda: network.arrived(ids))
    quota = network.subscribers[0]
    body = await sealed_copy(network)
    async with quota.database.transaction() as tx:
        await bury(tx, body, "a test", unseal(body))
    code, _ = await words(network, quota, "retry", "--all")
    assert code == 0
    assert await network.arrived(ids)


async def test_retry_of_what_cannot_be_read_keeps_it(network: Network) -> None:
    await network.administer("INSERT INTO quota.dead (body, reason) VALUES ('not an event', 'a test')")
    quota = network.subscribers[0]
    code, text = await words(network, quota, "retry", "--all")
    assert code == 1
    assert "this version cannot read it" in text
    assert (await quota.backlog()).dead == 1
    assert "b'not an event'" in (await words(network, quota, "show", str(await quota.value("SELECT id FROM dead"))))[1]


async def test_dropped_event_is_gone(network: Network) -> None:
    quota, _ = await kill_one(network)
    number = str(await quota.value("SELECT id FROM dead"))
    assert await words(network, quota, "drop", number) == (0, f"{number}: dropped\n")
    assert await words(network, quota, "drop", number) == (1, f"{number}: there is no such dead event\n")
    assert await quota.effects() == []


async def test_words_without_ids_and_unknown_ids_say_so(network: Network) -> None:
    quota = network.subscribers[0]
    assert await words(network, quota, "retry") == (1, "Name the ids, or say --all.\n")
    assert await words(network, quota, "retry", "77") == (1, "77: there is no such dead event\n")
    assert await words(network, quota, "show", "77") == (1, "There is no dead event 77; `dead list` shows the ids.\n")


async def test_forged_event_is_refused_and_not_given_back(network: Network) -> None:
    """Auth sends, by the one key that it may use for it, what only recognition may say."""
    network.start()
    await network.publisher.record(deleted(1))
    body = await sealed_copy(network)
    quota = network.subscribers[0]
    await eventually(quota.effects)
    await network.bus.publish(Message(uuid4(), "auth", replay_key("quota"), body))

    async def is_dead() -> bool:
        return bool(await dead.collect(quota.database, network.bus, "quota")) or (await quota.backlog()).dead == 1

    await eventually(is_dead)
    code, text = await words(network, quota, "retry", "--all")
    assert code == 1
    assert "not retried: forged: recognition's event came by way of auth" in text


async def test_rebuilt_read_model_equals_the_live_one(network: Network) -> None:
    network.start()
    ids = []
    for version in range(1, 6):
        ids += await network.publisher.record(*(changed(number, version) for number in range(50)))
    await eventually(lambda: network.arrived(ids), within=20)
    quota, auth = network.subscribers
    await eventually(lambda: quota.value("SELECT bool_and(head > 0) FROM inbox_positions"))
    live = await quota.versions()
    await rebuild(quota.database)
    assert not await caught_up(quota.database)
    await eventually(lambda: caught_up(quota.database), within=20)
    await eventually(lambda: network.arrived(ids), within=30)
    assert await quota.versions() == live
    assert len(await auth.effects()) == len(ids)
    await network.stop()


async def test_archived_events_are_still_sent_again(network: Network) -> None:
    network.start()
    ids = await network.publisher.record(*(changed(number) for number in range(20)))
    await eventually(lambda: network.arrived(ids))
    assert await network.publisher.value("SELECT archive_outbox(now() + interval '1 day', 7)") == 7
    quota = network.subscribers[0]
    await rebuild(quota.database)
    await eventually(lambda: network.arrived(ids), within=20)
    await network.stop()


async def sealed_copy(network: Network) -> bytes:
    """The publisher's newest event as it travels."""
    publisher = network.publisher
    await eventually(lambda: publisher.value("SELECT max(position) IS NOT NULL FROM outbox"))
    async with publisher.database.connection() as connection:
        row = await connection.fetchrow(
            "SELECT event_id AS id, org_id, type, subject, occurred_at, data::text, request_id, position,"
            " (SELECT epoch FROM outbox_epoch) AS epoch FROM outbox ORDER BY id DESC LIMIT 1"
        )
    assert row is not None
    return seal(Recorded(**row), PUBLISHER)
