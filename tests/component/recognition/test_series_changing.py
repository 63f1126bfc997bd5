"""What follows when the rule, the start or the end of a series changes, or its organisation's time zone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.recognition.commands import series_giving
from services.recognition.commands.series_giving import LATE
from tests.component.recognition.recurring import A_WEEK, MONDAY, PATH, Recurring, recurring
from tests.component.recognition.world import ANNA, BEN, World


@pytest.fixture
async def series(environment: pytest.MonkeyPatch, world: World) -> AsyncIterator[Recurring]:
    async with recurring(world) as made:
        yield made


async def test_a_start_that_is_moved_forward_and_a_closer_rule_hold_at_once(series: Recurring) -> None:
    in_60_days = int((MONDAY + timedelta(days=60)).timestamp())
    made = await series.begun(recurrence="FREQ=DAILY", starts_at=in_60_days)
    path = f"{PATH}/{made['id']}"
    moved = await series.api.ask(ANNA, "PATCH", path, {"starts_at": int(MONDAY.timestamp())})
    assert (moved.status, moved.data["next_at"]) == (200, int(MONDAY.timestamp()))
    weeks_ago = int((MONDAY - 4 * A_WEEK).timestamp())
    yearly = await series.begun(recurrence="FREQ=YEARLY", starts_at=weeks_ago)
    body = series.body(recurrence="FREQ=WEEKLY", starts_at=weeks_ago)
    put = await series.api.ask(ANNA, "PUT", f"{PATH}/{yearly['id']}", body)
    assert (put.status, put.data["next_at"]) == (200, int(MONDAY.timestamp()))
    await series.at(MONDAY)
    for one in (made, yearly):
        assert await series.became_of(one) == [("03-05 08:00", None)]


async def test_a_rule_that_is_changed_to_and_fro_gives_no_day_twice(series: Recurring) -> None:
    made = await series.begun(recurrence="FREQ=DAILY")
    path = f"{PATH}/{made['id']}"
    await series.at(MONDAY)
    start = MONDAY
    for rule, hours, following in (("FREQ=WEEKLY", 2, 7), ("FREQ=DAILY", 3, 1), ("FREQ=DAILY;COUNT=9", 4, 1)):
        start = MONDAY + timedelta(hours=hours)
        changed = await series.api.ask(ANNA, "PATCH", path, {"recurrence": rule, "starts_at": int(start.timestamp())})
        assert changed.data["next_at"] == int((start + timedelta(days=following)).timestamp()), rule
    over = await series.api.ask(ANNA, "PATCH", path, {"ends_at": int(start.timestamp()) + 1})
    assert over.data["next_at"] is None
    again = await series.api.ask(ANNA, "PATCH", path, {"ends_at": None})
    assert again.data["next_at"] == int((start + timedelta(days=1)).timestamp())


async def test_a_day_that_a_new_time_zone_calls_otherwise_is_not_skipped(series: Recurring) -> None:
    after_midnight = MONDAY - timedelta(hours=8, minutes=30)
    made = await series.begun(starts_at=int(after_midnight.timestamp()))
    await series.world.organisation(timezone="UTC")
    await series.at(MONDAY - timedelta(hours=20))
    assert await series.next_at(made) == after_midnight
    await series.at(after_midnight)
    assert await series.became_of(made) == [("03-04 23:30", None)]
    await series.world.organisation(timezone="Asia/Tokyo")
    await series.at(MONDAY)
    assert await series.next_at(made) == after_midnight + A_WEEK
    assert await series.became_of(made) == [("03-04 23:30", None)], "by its new name it is not due again"


@pytest.mark.parametrize("weeks", [0, 2])
async def test_what_was_due_while_nobody_looked_is_not_skipped_in_a_new_time_zone(
    series: Recurring, weeks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is of the 5th in Berlin, of the 4th in UTC; a great team is thanked of it in several transactions."""
    monkeypatch.setattr(series_giving, "AT_ONCE", 2)
    people = await series.world.newcomers(5)
    await series.world.team(7, *people)
    after_midnight = MONDAY - timedelta(hours=8, minutes=30)
    made = await series.begun(starts_at=int(after_midnight.timestamp()), given_for=None, team_id=7)
    await series.world.organisation(timezone="UTC")
    await series.at(MONDAY + weeks * A_WEEK)
    days = [f"{after_midnight + week * A_WEEK:%m-%d %H:%M}" for week in range(weeks + 1)]
    assert await series.became_of(made) == [(day, LATE) for day in days[:-1]] + [(days[-1], None)] * 5
    assert await series.next_at(made) == after_midnight + (weeks + 1) * A_WEEK


async def test_when_a_series_recurs_is_not_changed_while_it_is_being_given(
    series: Recurring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_giving, "AT_ONCE", 2)
    people = await series.world.newcomers(3)
    await series.world.team(7, *people)
    made = await series.begun(given_for=None, team_id=7)
    path = f"{PATH}/{made['id']}"
    series.clock.now = MONDAY + timedelta(minutes=1)
    await series.turn()
    for change in ({"recurrence": "FREQ=DAILY"}, {"team_id": None, "given_for": BEN.user_id}):
        refused = await series.api.ask(ANNA, "PATCH", path, change)
        assert refused.code == (409, "conflict")
    assert (await series.api.ask(ANNA, "PATCH", path, {"text": "Other words"})).status == 200
    await series.at(series.clock.now)
    assert await series.became_of(made) == [("03-05 08:00", None)] * 3
    changed = await series.api.ask(ANNA, "PATCH", path, {"recurrence": "FREQ=DAILY"})
    assert changed.data["next_at"] == int((MONDAY + timedelta(days=1)).timestamp())


@pytest.mark.parametrize(("here", "there"), [("Europe/Berlin", "America/New_York"), ("America/New_York", "Asia/Tokyo")])
async def test_a_rule_until_the_end_of_the_calendar_goes_on_in_another_time_zone(
    series: Recurring, here: str, there: str
) -> None:
    await series.world.organisation(timezone=here)
    made = await series.begun(recurrence="FREQ=DAILY;UNTIL=99991231")
    refused = await series.begin(recurrence="FREQ=DAILY;UNTIL=00010101T000000")
    assert (refused.status, set(refused.error["fields"])) == (400, {"recurrence"})
    await series.world.organisation(timezone=there)
    await series.at(MONDAY)
    assert [reason for _, reason in await series.became_of(made)] == [None]
