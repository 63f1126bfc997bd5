"""What is due of a series is given exactly once, or missed for a reason: with several loops, crashes and downtime."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.recognition import giving
from services.recognition.commands import series_giving
from shared.context import Context
from shared.contracts.maintenance import MaintenanceWindowChanged
from shared.contracts.recognition import RecognitionGiven
from tests.component.recognition.recurring import A_WEEK, MONDAY, PATH, Recurring, recurring
from tests.component.recognition.world import ADMIN, ANNA, BEN, CLEO, MODERATOR, STRANGER, World
from tests.support.api import GLOBEX
from tests.support.databases import ScratchDatabase
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[3]
LATE = series_giving.LATE
IS_WAITED_FOR = """
SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')
"""
A_SECOND = timedelta(seconds=1)


@pytest.fixture
async def series(environment: pytest.MonkeyPatch, world: World) -> AsyncIterator[Recurring]:
    async with recurring(world) as made:
        yield made


async def test_an_occurrence_is_given_when_it_is_due_as_the_owner_would(series: Recurring) -> None:
    made = await series.begun()
    await series.at(MONDAY - A_SECOND)
    assert await series.became_of(made) == []
    await series.at(MONDAY)
    assert await series.became_of(made) == [("03-05 08:00", None)]
    [told] = await series.world.told(RecognitionGiven)
    assert (told.given_by, told.given_for, told.text, told.cost) == (
        ANNA.user_id, BEN.user_id, "Thanks for the week", 0,
    )  # fmt: skip
    [shown] = (await series.api.get(CLEO, "/recognitions")).data
    assert shown["id"] == told.recognition_id
    [entry] = (await series.api.get(ADMIN, f"/recognitions/{shown['id']}/historylog")).data
    assert (entry["action"], entry["actor"]) == ("created", None)
    assert await series.next_at(made) == MONDAY + A_WEEK
    await series.at(MONDAY + timedelta(hours=1))
    assert len(await series.api.feed()) == 1


async def test_nine_o_clock_stays_nine_o_clock_across_a_change_of_the_clocks(series: Recurring) -> None:
    made = await series.begun()
    for week in range(5):
        await series.at(MONDAY + week * A_WEEK)
    assert await series.became_of(made) == [
        (day, None) for day in ("03-05 08:00", "03-12 08:00", "03-19 08:00", "03-26 07:00", "04-02 07:00")
    ]  # fmt: skip


async def test_after_weeks_of_downtime_the_last_one_is_given_and_the_rest_is_missed(series: Recurring) -> None:
    made = await series.begun()
    await series.at(MONDAY)
    await series.at(MONDAY + 3 * A_WEEK + timedelta(days=2))
    assert await series.became_of(made) == [
        ("03-05 08:00", None), ("03-12 08:00", LATE), ("03-19 08:00", LATE), ("03-26 07:00", None),
    ]  # fmt: skip
    assert len(await series.api.feed()) == 2


async def test_a_series_ends_when_it_says(series: Recurring) -> None:
    counted = await series.begun(recurrence="FREQ=DAILY;COUNT=2")
    until = await series.begun(recurrence="FREQ=DAILY", ends_at=int((MONDAY + timedelta(days=1)).timestamp()))
    await series.at(MONDAY)
    await series.at(MONDAY + timedelta(days=1))
    await series.at(MONDAY + timedelta(days=9))
    for made in (counted, until):
        assert await series.became_of(made) == [("03-05 08:00", None), ("03-06 08:00", None)]
        assert await series.next_at(made) is None


async def test_many_loops_at_once_give_each_occurrence_once(series: Recurring) -> None:
    await series.world.team(7, ANNA, BEN, CLEO, MODERATOR)
    made = [await series.begun(), await series.begun(BEN, given_for=None, team_id=7), await series.begun(CLEO)]
    for week in range(4):
        series.clock.now = MONDAY + week * A_WEEK
        while sum(await asyncio.gather(*(series.turn() for _ in range(8)))):
            pass
    for one, receivers in zip(made, (1, 3, 1), strict=True):
        outcomes = await series.became_of(one)
        assert len(outcomes) == 4 * receivers
        assert {reason for _, reason in outcomes} == {None}
    assert len(await series.world.told(RecognitionGiven)) == 4 * 5
    assert (await series.api.get(ANNA, "/recognitions?total=true")).meta["total"] == 4 * 5


async def test_nobody_waits_for_a_series_that_another_continues(series: Recurring) -> None:
    made, other = await series.begun(), await series.begun(CLEO)
    series.clock.now = MONDAY
    async with series.world.database.transaction(1) as tx:
        assert await series_giving.continue_series(tx, made["id"], MONDAY)
        assert await series.turn() == 1
        assert [len(await series.became_of(one)) for one in (made, other)] == [0, 1]
    assert await series.turn() == 0
    assert [len(await series.became_of(one)) for one in (made, other)] == [1, 1]


A_LOOPS_TURN = """
import asyncio, sys
from datetime import datetime
from services.recognition.giving import give_due
from shared.database import Database

async def turn():
    database = await Database.connect(sys.argv[1], schema="recognition", size=2)
    await give_due(database, lambda: datetime.fromisoformat(sys.argv[2]))

asyncio.run(turn())
"""


async def test_a_killed_process_leaves_nothing_and_another_gives_it(
    series: Recurring, scratch: ScratchDatabase
) -> None:
    await series.world.team(7, BEN, CLEO)
    made = await series.begun(given_for=None, team_id=7)
    environment = {**os.environ, "PEERLY_FAILPOINTS": "series.before_commit:1"}
    command = [sys.executable, "-c", A_LOOPS_TURN, scratch.url("recognition"), MONDAY.isoformat()]
    process = await asyncio.create_subprocess_exec(*command, env=environment, cwd=ROOT)
    assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL
    series.clock.now = MONDAY

    async def is_given() -> bool:
        await series.turn()
        return bool(await series.became_of(made))

    await eventually(is_given)
    assert await series.became_of(made) == [("03-05 08:00", None)] * 2
    assert len(await series.world.told(RecognitionGiven)) == 2


async def test_a_series_that_is_removed_while_it_is_due_gives_nothing(series: Recurring) -> None:
    made = await series.begun()
    series.clock.now = MONDAY
    async with series.world.database.transaction(1) as tx:
        assert await series_giving.continue_series(tx, made["id"], MONDAY)
        removal = asyncio.create_task(series.api.patiently(ANNA, "DELETE", f"{PATH}/{made['id']}"))
        await eventually(lambda: series.world.value(IS_WAITED_FOR))
    assert (await removal).status == 204, "what was being given came first"
    assert len(await series.api.feed()) == 1
    other = await series.begun(starts_at=int((MONDAY + A_WEEK).timestamp()))
    await series.api.ask(ANNA, "DELETE", f"{PATH}/{other['id']}")
    await series.at(MONDAY + A_WEEK)
    assert len(await series.api.feed()) == 1


async def test_what_became_of_a_series_is_told_after_its_end(series: Recurring) -> None:
    made = await series.begun()
    path = f"{PATH}/{made['id']}"
    await series.at(MONDAY)
    await series.at(MONDAY + 2 * A_WEEK)
    assert (await series.api.ask(ANNA, "DELETE", path)).status == 204
    assert (await series.api.get(CLEO, path)).status == 404
    assert await series.became_of(made) == [("03-05 08:00", None), ("03-12 08:00", LATE), ("03-19 08:00", None)]
    first = await series.api.get(CLEO, f"{path}/occurrences?limit=2&total=true")
    assert (len(first.data), first.meta["total"]) == (2, 3)
    assert (await series.api.get(STRANGER, f"{path}/occurrences")).code == (404, "not_found")
    await series.at(MONDAY + 9 * A_WEEK)
    assert len(await series.became_of(made)) == 3


async def test_each_of_a_team_at_that_moment_but_the_owner_is_thanked(series: Recurring) -> None:
    await series.world.team(7, ANNA, BEN)
    made = await series.begun(given_for=None, team_id=7)
    await series.world.team(7, ANNA, CLEO, MODERATOR)
    await series.world.leaves(MODERATOR)
    await series.at(MONDAY)
    [row] = (await series.api.get(ANNA, f"{PATH}/{made['id']}/occurrences")).data
    assert row["given_for"] == CLEO.user_id
    await series.world.team(7, ANNA)
    await series.at(MONDAY + A_WEEK)
    await series.world.team(7, state="removed")
    await series.at(MONDAY + 2 * A_WEEK)
    assert await series.became_of(made) == [
        ("03-05 08:00", None), ("03-12 08:00", "team_empty"), ("03-19 08:00", "team_removed"),
    ]  # fmt: skip


async def test_a_great_team_is_thanked_in_several_transactions_and_nobody_twice(
    series: Recurring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_giving, "AT_ONCE", 3)
    people = await series.world.newcomers(8)
    await series.world.team(7, *people)
    made = await series.begun(given_for=None, team_id=7)
    series.clock.now = MONDAY
    for so_far in (3, 6, 8):
        assert await series.turn() == 1
        assert len(await series.became_of(made)) == so_far
    assert await series.turn() == 0
    rows = (await series.api.get(ANNA, f"{PATH}/{made['id']}/occurrences?limit=5&total=true")).meta
    assert rows["total"] == 8
    following = await series.api.get(ANNA, f"{PATH}/{made['id']}/occurrences?cursor={rows['next_cursor']}")
    assert [row["given_for"] for row in following.data] == [one.user_id for one in people[2::-1]]


async def test_it_costs_what_a_recognition_costs_and_is_missed_without_a_balance(series: Recurring) -> None:
    await series.world.organisation(cost=1, timezone="Europe/Berlin")
    await series.world.policy(2)
    await series.world.team(7, BEN, CLEO, MODERATOR)
    made = await series.begun(given_for=None, team_id=7)
    await series.at(MONDAY)
    reasons = [reason for _, reason in await series.became_of(made)]
    assert sorted(map(str, reasons)) == ["None", "None", "insufficient_balance"]
    told = await series.world.told(RecognitionGiven)
    assert [(one.cost, one.allowance is not None) for one in told] == [(1, True), (1, True)]
    assert await series.world.broken() == {}


async def test_who_has_left_neither_gives_nor_receives(series: Recurring) -> None:
    made, other = await series.begun(), await series.begun(CLEO, given_for=ANNA.user_id)
    await series.world.leaves(ANNA)
    await series.at(MONDAY)
    assert await series.became_of(made) == [("03-05 08:00", "owner_left")]
    assert await series.became_of(other) == [("03-05 08:00", "receiver_left")]
    await series.world.returns(ANNA)
    await series.at(MONDAY + A_WEEK)
    for one in (made, other):
        assert (await series.became_of(one))[-1] == ("03-12 08:00", None)


async def test_a_suspended_organisation_gives_nothing(series: Recurring) -> None:
    made = await series.begun()
    await series.world.organisation(timezone="Europe/Berlin", status="SUSPENDED")
    await series.at(MONDAY)
    await series.world.organisation(timezone="Europe/Berlin")
    assert await series.became_of(made) == [("03-05 08:00", "organisation_inactive")]


async def test_a_new_time_zone_holds_from_the_next_occurrence(series: Recurring) -> None:
    made = await series.begun(recurrence="FREQ=WEEKLY;BYDAY=MO")
    await series.at(MONDAY + A_WEEK + timedelta(hours=1))
    await series.world.organisation(timezone="America/New_York")
    await series.at(MONDAY + A_WEEK + timedelta(hours=2))
    # The start was at three in the morning there, and clocks go forward a fortnight earlier.
    assert await series.next_at(made) == datetime(2040, 3, 19, 7, tzinfo=UTC)
    await series.world.organisation(timezone="Asia/Tokyo")
    await series.at(MONDAY + A_WEEK + timedelta(hours=3))
    assert await series.next_at(made) == datetime(2040, 3, 19, 8, tzinfo=UTC)
    assert [day for day, _ in await series.became_of(made)] == ["03-05 08:00", "03-12 08:00"]


async def test_a_changed_rule_counts_from_now_and_no_day_comes_twice(series: Recurring) -> None:
    made = await series.begun()
    await series.at(MONDAY)
    path = f"{PATH}/{made['id']}"
    later = {"starts_at": int((MONDAY + timedelta(hours=2)).timestamp()), "recurrence": "FREQ=DAILY"}
    await series.api.ask(ANNA, "PATCH", path, later)
    assert await series.next_at(made) == MONDAY + timedelta(days=1, hours=2)
    series.clock.now = MONDAY + timedelta(days=1, hours=3)
    await series.api.ask(ANNA, "PATCH", path, {"text": "Other words"})
    await series.at(series.clock.now)
    assert await series.became_of(made) == [("03-05 08:00", None), ("03-06 10:00", None)]
    assert [one.text for one in await series.world.told(RecognitionGiven)] == ["Thanks for the week", "Other words"]


async def test_what_is_not_known_yet_is_waited_for_and_in_nobodys_way(series: Recurring) -> None:
    await series.world.organisation(cost=1, timezone="Europe/Berlin")
    waiting, other = await series.begun(), await series.begun(CLEO)
    await series.world.as_administrator("DELETE FROM policies", f"DELETE FROM members WHERE user_id = {CLEO.user_id}")
    await series.at(MONDAY)
    assert [await series.became_of(one) for one in (waiting, other)] == [[], []]
    await series.world.policy(5)
    await series.world.joins(CLEO, "Cleo")
    await series.at(MONDAY + giving.REST)
    assert [await series.became_of(one) for one in (waiting, other)] == [[("03-05 08:00", None)]] * 2


async def test_organisations_have_their_own_time_zones_and_series(series: Recurring) -> None:
    made = await series.begun()
    await series.world.rows("UPDATE organisations SET timezone = 'UTC'", org_id=GLOBEX)
    await series.at(MONDAY)
    assert len(await series.became_of(made)) == 1
    assert await series.world.rows("SELECT FROM recognitions", org_id=GLOBEX) == []


@asynccontextmanager
async def looping(context: Context) -> AsyncIterator[None]:
    stop = asyncio.Event()
    loop = asyncio.create_task(giving.keep_giving(context, stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(loop, 5)


async def test_the_loop_gives_what_is_due(series: Recurring) -> None:
    made = await series.begun()
    series.clock.now = MONDAY
    async with looping(series.context):
        assert await eventually(lambda: series.became_of(made)) == [("03-05 08:00", None)]


async def test_within_a_maintenance_window_nothing_is_given(series: Recurring, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(giving, "POLL_SECONDS", 0.01)
    made, context = await series.begun(), series.context
    start = int(MONDAY.timestamp())
    window = MaintenanceWindowChanged(
        window_id=1, starts_at=start - 60, ends_at=start + 600, message="", state="planned", version=1
    )
    await series.world.hears(window, 0)
    series.clock.now = MONDAY
    async with series.world.database.connection() as connection:
        await context.maintenance.read(connection)
    asked = series.clock.asked
    async with looping(context):
        await eventually(lambda: series.clock.asked > asked + 5)
        assert await series.became_of(made) == []
        series.clock.now = MONDAY + timedelta(seconds=601)
        assert await eventually(lambda: series.became_of(made)) == [("03-05 08:00", None)]
