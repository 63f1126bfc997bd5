"""Recognitions from before: once each, with their time, at no cost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.recognition.commands.recognitions import import_recognitions
from services.recognition.store.recognitions import Imported
from shared.contracts.recognition import RecognitionGiven
from tests.component.recognition.world import ANNA, BEN, FOREIGN_ADMIN, OTHER_STRANGER, STRANGER, Api, World
from tests.support.api import ACME, GLOBEX, Caller

LONG_AGO = datetime(2019, 3, 31, 12, 30, tzinfo=UTC)


def old(key: str, value_id: int, age: int = 0, giver: Caller = ANNA, receiver: Caller = BEN) -> Imported:
    return Imported(key, giver.user_id, receiver.user_id, value_id, f"Old {key}", LONG_AGO - timedelta(days=age))


async def taken(world: World, rows: list[Imported], org_id: int = ACME) -> int:
    async with world.database.transaction(org_id) as tx:
        return await import_recognitions(tx, rows)


async def test_imported_recognitions_keep_their_time_and_cost_nothing(api: Api, world: World) -> None:
    await world.organisation(cost=1)
    value_id = await api.new_value()
    assert await taken(world, [old("a", value_id, 2), old("b", value_id, 1), old("c", value_id, 3)]) == 3
    feed = (await api.get(ANNA, "/recognitions")).data
    assert [row["text"] for row in feed] == ["Old b", "Old a", "Old c"]
    assert feed[0]["given_at"] == int((LONG_AGO - timedelta(days=1)).timestamp())
    events = await world.told(RecognitionGiven)
    assert {(event.imported, event.cost, event.allowance) for event in events} == {(True, 0, None)}
    assert {event.recognition_id: event.text for event in events} == {row["id"]: row["text"] for row in feed}
    assert await world.value("SELECT count(*) FROM spends") == 0
    assert (await api.hi5(ANNA, feed[0]["id"])).status == 201


async def test_the_same_rows_again_change_nothing(api: Api, world: World) -> None:
    value_id = await api.new_value()
    rows = [old("a", value_id), old("b", value_id), old("a", value_id, 9)]
    assert await taken(world, rows) == 2
    assert await taken(world, rows) == 0
    assert await taken(world, [*rows, old("c", value_id)]) == 1
    assert await taken(world, []) == 0
    assert len(await world.told(RecognitionGiven)) == 3
    given_at = await world.value("SELECT given_at FROM recognitions WHERE external_id = 'a'")
    assert given_at == LONG_AGO


async def test_keys_are_each_organisations_own(api: Api, world: World) -> None:
    ours, theirs = await api.new_value(), await api.new_value("Theirs", FOREIGN_ADMIN)
    assert await taken(world, [old("a", ours)]) == 1
    assert await taken(world, [old("a", theirs, giver=STRANGER, receiver=OTHER_STRANGER)], GLOBEX) == 1
