"""P2-2: whatever happens in whatever order, every answer is what a count of all rows gives."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from services.recognition.insights.folding import fold
from tests.component.recognition.playing import STEPS, Play, begin
from tests.component.recognition.test_insights import METRICS, board, insight
from tests.component.recognition.world import ADMIN, ANNA, Api, World
from tests.support.api import ACME

WINDOWS = 40
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Chatham", "Pacific/Kiritimati"]


@pytest.fixture
async def played(api: Api, world: World, request: pytest.FixtureRequest) -> Play:
    play = await begin(api, world, request.param)
    await play.steps(STEPS)
    return play


SEEDS = pytest.mark.parametrize("played", [1, 2, 3], indirect=True)


@SEEDS
async def test_p2_2_every_leaderboard_equals_a_recount(played: Play, api: Api, world: World) -> None:
    truth = await played.recount()
    assert min(len(truth.given), len(truth.hi5s)) > 10
    for _ in range(WINDOWS):
        since, until = sorted([played.moment().replace(microsecond=0), played.moment().replace(microsecond=0)])
        until += timedelta(seconds=1)
        value = played.chance.choice([None, *played.values])
        metric = played.chance.choice(METRICS)
        query = f"&from={int(since.timestamp())}&to={int(until.timestamp())}&limit=100"
        query += "" if value is None else f"&core_value_id={value}"

        def counts(row: Any, times: Any = (since, until), value: Any = value) -> bool:
            return times[0] <= row["given_at"] < times[1] and value in {None, row["core_value_id"]}

        assert await board(api, metric, query) == truth.board(metric, counts), query
    for metric in METRICS:
        assert await board(api, metric, "&period=all&limit=100") == truth.board(metric, lambda _: True)


PERIODS: dict[str, Callable[[date], Any]] = {
    "day": lambda day: day,
    "week": lambda day: day.isocalendar()[:2],
    "month": lambda day: (day.year, day.month),
    "quarter": lambda day: (day.year, (day.month - 1) // 3),
    "year": lambda day: day.year,
}


@pytest.mark.parametrize("played", [4], indirect=True)
async def test_p2_2_periods_are_of_the_organisations_clocks(played: Play, api: Api, world: World) -> None:
    """A change of the time zone holds at once, for what was given before too."""
    truth = await played.recount()
    for timezone in ZONES:
        await world.rows("UPDATE organisations SET timezone = $1", timezone)
        zone = ZoneInfo(timezone)
        for period, of_day in PERIODS.items():
            now = of_day(datetime.now(zone).date())

            def counts(row: Any, now: Any = now, of_day: Any = of_day, zone: Any = zone) -> bool:
                return bool(of_day(row["given_at"].astimezone(zone).date()) == now)

            for metric in {played.chance.choice(METRICS), "distinct_givers"}:
                assert await board(api, metric, f"&period={period}&limit=100") == truth.board(metric, counts)
            summary = (await insight(api, f"summary?period={period}")).data
            given = [row for row in truth.given if counts(row)]
            assert (summary["recognitions"], summary["hi5s"], summary["distinct_givers"]) == (
                len(given),
                len([row for row in truth.hi5s if counts(row)]),
                len({row["given_by"] for row in given}),
            )
            assert sum(one["recognitions"] for one in summary["core_values"]) == len(given)


CAMPAIGN = """
INSERT INTO campaigns (name, name_key, starts_at, ends_at, goal_metric, goal_target, core_value_ids, team_ids)
VALUES ('Drive', $1::text, $2, $3, $4, 10, $5, $6) RETURNING id
"""


@pytest.mark.parametrize("played", [5, 6], indirect=True)
async def test_p2_2_every_thermometer_equals_a_recount(played: Play, api: Api, world: World) -> None:
    truth, chance = await played.recount(), played.chance
    teams = {1: played.people[:3], 2: played.people[2:5], 3: []}
    for team_id, members in teams.items():
        await world.team(team_id, *members)
    for number in range(20):
        since, until = sorted([played.moment(), played.moment()])
        until += timedelta(microseconds=1)
        values = chance.sample(played.values, chance.choice([0, 0, 1, 2]))
        named = chance.sample(sorted(teams), chance.choice([0, 0, 1, 2]))
        reached = {person.user_id for team_id in named for person in teams[team_id]}
        goal = chance.choice(["recognitions", "hi5s", "distinct_receivers"])
        made = await world.value(CAMPAIGN, str(number), since, until, goal, values, named)

        def counts(row: Any, times: Any = (since, until), values: Any = values, to: Any = (named, reached)) -> bool:
            in_time = times[0] <= row["given_at"] < times[1]
            return (
                in_time
                and row["core_value_id"] in (values or [row["core_value_id"]])
                and (not to[0] or row["given_for"] in to[1])
            )

        rows = [row for row in (truth.hi5s if goal == "hi5s" else truth.given) if counts(row)]
        expected = len({row["given_for"] for row in rows}) if goal == "distinct_receivers" else len(rows)
        reply = await insight(api, f"campaigns/{made}/thermometer")
        assert reply.data == {"metric": goal, "target": 10, "value": expected, "percent": 10 * expected}
        for metric in METRICS:
            shown = await board(api, metric, f"&campaign_id={made}&limit=100")
            assert shown == truth.board(metric, counts), metric


@SEEDS
async def test_p2_2_sums_and_changes_leave_nothing_out(played: Play, world: World) -> None:
    for _ in range(2):
        written = "DO $$ BEGIN IF recount_insights() <> 0 THEN RAISE 'the sums differ'; END IF; END $$"
        await world.as_administrator(written)
        await fold(world.database)
        assert await world.value("SELECT count(*) FROM insight_changes") == 0


async def test_p2_2_what_triggers_did_not_see_is_counted_anew(api: Api, world: World) -> None:
    value = await api.new_value()
    thanks = await api.given(ANNA, ADMIN, value)
    await world.as_administrator(
        "SET session_replication_role = replica",
        f"UPDATE recognitions SET hidden = true WHERE id = {thanks} AND org_id = {ACME}",
        "SET session_replication_role = origin",
    )
    assert len(await board(api, "recognitions_given")) == 1
    await world.as_administrator("SELECT recount_insights()")
    assert await board(api, "recognitions_given") == []
