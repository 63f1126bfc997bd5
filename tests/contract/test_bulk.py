"""Very many events at once, as an import writes them, keep nobody else's event waiting."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from uuid import UUID

import pytest

from shared import outbox, relay
from shared.bus import InProcessBus
from shared.rebuild import caught_up, rebuild
from shared.telemetry import REGISTRY
from tests.contract.conftest import network_on
from tests.contract.station import PUBLISHER, SUBSCRIPTIONS, Network, Station, changed, deleted
from tests.support.databases import ScratchDatabase
from tests.support.waiting import eventually

WAITING = 3_000
FEW = WAITING / 5
"""So many may overtake a fresh event on the slowest machine; without a lane of its own nearly all would."""
STILL_WAITING = WAITING / 5
"""So many are there for what is fresh to pass, also where the relay is quick and everything else is slow."""
PAUSES = "publishing pauses, events stay in the outbox"


@pytest.mark.timeout(240)
async def test_fresh_event_passes_thousands_that_wait(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = await record_bulk(network.publisher, WAITING)
    network.start()
    await eventually(lambda: count(network.publisher, "bulk AND sent_at IS NOT NULL"))
    for number in range(3):
        [fresh] = await network.publisher.record(deleted(WAITING + number))
        ids.append(fresh)
        for station in network.subscribers:
            await eventually(partial(has_handled, station, fresh), within=30)
            assert await overtaken(station, fresh, await told_at(network.publisher, fresh)) < FEW
    assert await count(network.publisher, "bulk AND sent_at IS NULL") > STILL_WAITING
    await eventually(partial(all_fresh_sent, network.publisher))
    sent_after = "bulk AND (sent_at IS NULL OR sent_at > (SELECT max(sent_at) FROM outbox WHERE NOT bulk))"
    assert await count(network.publisher, sent_after) > STILL_WAITING
    monkeypatch.setattr(relay, "BULK_BATCH", WAITING // 10)
    await eventually(lambda: network.arrived(ids), within=100)
    await no_position_is_missing(network.publisher)
    await rebuilt(network, ids)
    await network.stop()


async def test_new_rows_are_numbered_before_bulk_ones_without_a_gap(network: Network) -> None:
    station = network.publisher
    await record_bulk(station, 300)
    await station.record(*(changed(number) for number in range(300, 310)))
    assert await station.value("SELECT number_outbox(100)") == 10
    assert await count(station, "position <= 10 AND NOT bulk") == 10
    for _ in range(6):
        await station.value("SELECT number_outbox(50, true)")
        await station.value("UPDATE outbox SET sent_at = now() WHERE position IS NOT NULL")
    await no_position_is_missing(station)


async def test_pausing_is_told_again_with_what_waits(
    scratch: ScratchDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody consumes, so the transport confirms nothing."""
    caplog.set_level("WARNING", "peerly")
    async with network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as network:
        ids = await network.publisher.record(*(deleted(number) for number in range(7)))
        network.publisher.start(network.bus)
        await eventually(lambda: told_unsent(caplog) == [7])
        ids += await network.publisher.record(deleted(7))
        await eventually(lambda: REGISTRY.get_sample_value("peerly_outbox_unsent", {"service": PUBLISHER}) == 8)
        assert told_unsent(caplog) == [7]
        network.time.skip(61)
        await eventually(lambda: told_unsent(caplog) == [7, 8])
        for station in network.subscribers:
            station.start(network.bus, ["consume"])
        await eventually(lambda: network.arrived(ids), within=30)
        await eventually(lambda: REGISTRY.get_sample_value("peerly_outbox_unsent", {"service": PUBLISHER}) == 0)
        await network.stop()


async def record_bulk(station: Station, rows: int) -> list[UUID]:
    async with station.database.transaction(1, request_id="test") as tx:
        await outbox.in_bulk(tx)
        return await outbox.append(tx, *(changed(number) for number in range(rows)))


async def rebuilt(network: Network, ids: list[UUID]) -> None:
    quota = network.subscribers[0]
    await rebuild(quota.database)
    network.time.skip(31)
    await eventually(lambda: caught_up(quota.database), within=60)
    await eventually(lambda: network.arrived(ids), within=30)


async def count(station: Station, condition: str) -> int:
    return int(await station.value(f"SELECT count(*) FROM outbox WHERE {condition}"))


async def has_handled(station: Station, event: UUID) -> bool:
    return bool(await station.value("SELECT EXISTS (SELECT FROM inbox WHERE event_id = $1)", event))


async def overtaken(station: Station, event: UUID, since: datetime) -> int:
    """How many others were handled from that moment until this one was."""
    query = """
        SELECT count(*) FROM inbox
        WHERE received_at >= $2 AND received_at < (SELECT received_at FROM inbox WHERE event_id = $1)
    """
    return int(await station.value(query, event, since))


async def told_at(station: Station, event: UUID) -> datetime:
    told: datetime = await station.value("SELECT occurred_at FROM outbox WHERE event_id = $1", event)
    return told


async def all_fresh_sent(station: Station) -> bool:
    return await count(station, "NOT bulk AND sent_at IS NULL") == 0


async def no_position_is_missing(station: Station) -> None:
    query = "SELECT count(*) FROM (SELECT FROM outbox GROUP BY type HAVING max(position) <> count(position)) AS gaps"
    assert await station.value(query) == 0
    assert await count(station, "position IS NULL") == 0


def told_unsent(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [vars(record)["unsent"] for record in caplog.records if record.getMessage() == PAUSES]
