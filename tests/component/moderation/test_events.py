"""What moderation keeps of other services' events, whatever order they come in."""

from __future__ import annotations

import itertools
import random
from uuid import uuid4

import pytest

from shared.contracts import Event
from shared.database import Database
from shared.rebuild import rebuild
from tests.component.moderation.world import BEN, MODERATOR, Api, World, changed, deleted, given
from tests.support.api import ACME, GLOBEX

STATE = """
SELECT md5(string_agg(row::text, E'\n' ORDER BY row::text)) FROM (
    SELECT recognitions::text AS row FROM recognitions
    UNION ALL SELECT members::text FROM members
    UNION ALL SELECT organisations::text FROM organisations
) AS rows
"""
PARKED = "SELECT count(*) FROM parked"


async def state(database: Database, org_id: int = ACME) -> str:
    async with database.transaction(org_id) as tx:
        return str(await tx.fetchval(STATE))


def history(recognition_id: int) -> list[Event]:
    return [
        given(recognition_id),
        changed(recognition_id, "Better", 2),
        changed(recognition_id, "Best", 3),
        deleted(recognition_id, 4),
    ]


async def test_every_order_of_events_ends_in_the_same_row(world: World, database: Database) -> None:
    columns = "text, text_version, deleted, version"
    for recognition_id, order in enumerate(itertools.permutations(range(4)), start=1):
        events = history(recognition_id)
        for index in order:
            await world.hears(events[index])
        await world.hears_again()
    async with database.transaction(ACME) as tx:
        rows = {tuple(row) for row in await tx.fetch(f"SELECT DISTINCT {columns} FROM recognitions")}
    assert rows == {("Best", 3, True, 4)}
    assert await world.value("SELECT count(*) FROM recognitions") == 24
    assert await world.value(PARKED) == 0


async def test_shuffled_and_repeated_events_end_in_the_same_state(world: World, database: Database) -> None:
    events = [(event, uuid4()) for number in range(1, 21) for event in history(number)[: 1 + number % 4]]
    for event, event_id in events:
        await world.hears(event, event_id=event_id)
    in_order = await state(database)
    await rebuild(database)
    await world.knows_everybody()
    again = events * 3
    random.Random(7).shuffle(again)
    for event, event_id in again:
        await world.hears(event, event_id=event_id)
    await world.hears_again()
    assert await state(database) == in_order
    assert await world.value(PARKED) == 0


@pytest.mark.parametrize("early", [changed(100, "Better"), deleted(100)])
async def test_what_comes_before_the_recognition_waits_for_it(world: World, early: Event) -> None:
    await world.hears(early)
    assert await world.value(PARKED) == 1
    assert await world.hears_again() == 0
    await world.hears(given(100))
    assert await world.hears_again() == 1
    assert await world.value(PARKED) == 0
    assert await world.value("SELECT version FROM recognitions WHERE id = 100") == early.version  # type: ignore[attr-defined]


async def test_a_rebuild_forgets_the_copies_and_keeps_what_people_said(
    api: Api, world: World, database: Database
) -> None:
    events = [(given(number), uuid4()) for number in (100, 101)] + [(deleted(101), uuid4())]
    for event, event_id in events:
        await world.hears(event, event_id=event_id)
    await world.hears(given(100), GLOBEX)
    assert (await api.report(BEN, 100)).status == 201
    assert (await api.hide(MODERATOR, 100)).status == 201
    before, case = await state(database), await api.case(100)
    await rebuild(database)
    assert await world.value("SELECT count(*) FROM recognitions", org_id=GLOBEX) == 0
    await world.knows_everybody()
    for event, event_id in reversed(events):
        await world.hears(event, event_id=event_id)
    await world.hears_again()
    after = await api.case(100)
    assert await state(database) == before
    assert {**after, "age": 0} == {**case, "age": 0}


async def test_no_organisation_sees_anothers_rows(api: Api, world: World, database: Database) -> None:
    await world.hears(given(100))
    assert (await api.report(BEN, 100)).status == 201
    assert (await api.hide(MODERATOR, 100)).status == 201
    for table in ("recognitions", "cases", "reports", "reviews", "members", "organisations"):
        query = f"SELECT count(*) FROM {table} WHERE org_id = {ACME}"
        assert await world.value(query) > 0
        assert await world.value(query, org_id=GLOBEX) == 0
        async with database.connection() as connection:
            assert await connection.fetchval(query) == 0
