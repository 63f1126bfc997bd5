"""P2-2: different givers, whether they are in sums, in changes or in both."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from services.recognition.insights.folding import fold
from tests.component.recognition.playing import NOW, PEOPLE, STEPS, Play, begin
from tests.component.recognition.test_insights import board
from tests.component.recognition.world import Api, World


@pytest.fixture
async def started(api: Api, world: World, request: pytest.FixtureRequest) -> Play:
    return await begin(api, world, request.param)


@pytest.mark.parametrize("started", range(7, 13), indirect=True)
async def test_p2_2_givers_of_a_time_equal_a_recount_at_every_moment(started: Play, api: Api) -> None:
    """Folded, half folded and not; while people give their last one back, hide it, and give again."""
    chance = started.chance
    for _ in range(STEPS // 4):
        await started.steps(4)
        truth = await started.recount()
        since, until = started.since(), chance.choice([None, None, started.since()])
        value = chance.choice([None, *started.values])
        if until is not None and until <= since:
            continue

        def counts(row: Any, times: Any = (since, until), value: Any = value) -> bool:
            began, ended = times
            in_time = began <= row["given_at"] and (ended is None or row["given_at"] < ended)
            return in_time and value in {None, row["core_value_id"]}

        query = f"&limit=100&from={int(since.timestamp())}"
        query += "" if until is None else f"&to={int(until.timestamp())}"
        query += "" if value is None else f"&core_value_id={value}"
        assert await board(api, "distinct_givers", query) == truth.board("distinct_givers", counts), query


LATEST = """
SELECT count(*) FROM (
    SELECT core_value_id, given_for, given_by, max(starts) AS day FROM insight_pairs
    WHERE span = 'day' AND recognitions > 0 GROUP BY 1, 2, 3
) AS counted
FULL JOIN (SELECT * FROM insight_latest WHERE day IS NOT NULL) AS known USING (core_value_id, given_for, given_by)
WHERE counted.day IS DISTINCT FROM known.day
"""
LATEST_GIVERS = """
SELECT count(*) FROM (
    SELECT core_value_id, given_for AS user_id, span, starts, count(*) AS givers
    FROM insight_latest CROSS JOIN LATERAL insight_spans(day) WHERE day IS NOT NULL GROUP BY 1, 2, 3, 4
) AS counted
FULL JOIN (SELECT * FROM insight_persons WHERE latest_givers <> 0) AS known
    USING (core_value_id, user_id, span, starts)
WHERE counted.givers IS DISTINCT FROM known.latest_givers
"""


@pytest.mark.parametrize("started", [1, 2, 3], indirect=True)
async def test_p2_2_everybody_is_counted_on_the_last_day_on_which_they_gave(started: Play, world: World) -> None:
    for _ in range(STEPS // 4):
        await started.steps(4)
        assert await world.value(LATEST) == 0
        assert await world.value(LATEST_GIVERS) == 0
    assert await world.value("SELECT count(*) FROM insight_latest WHERE day IS NOT NULL") > PEOPLE


NEWEST_OF_EACH_PAIR = """
SELECT id FROM (
    SELECT id, given_by, row_number() OVER (PARTITION BY given_for, given_by ORDER BY given_at DESC) AS place
    FROM recognitions WHERE NOT hidden AND deleted_at IS NULL
) AS thanks
WHERE place <= 1 + given_by % 2
"""


@pytest.mark.parametrize("started", [13], indirect=True)
async def test_p2_2_givers_are_as_many_while_nothing_is_folded_as_after(started: Play, api: Api, world: World) -> None:
    """The last one or two recognitions of each pair are hidden and the one before stays, in sums and in changes."""
    await started.steps(STEPS)
    await fold(world.database)
    newest = await world.rows(NEWEST_OF_EACH_PAIR)
    for row in newest:
        started.reviews[row["id"]] += 1
        await world.hides(row["id"], started.reviews[row["id"]])
    truth = await started.recount()
    assert await world.value("SELECT count(*) FROM insight_changes") >= len(newest) > PEOPLE
    for _ in range(2):
        for days in (0, 1, 32, 365, 4_000):
            since = NOW.replace(microsecond=0) - timedelta(days=days)

            def counts(row: Any, since: Any = since) -> bool:
                return bool(row["given_at"] >= since)

            shown = await board(api, "distinct_givers", f"&from={int(since.timestamp())}&limit=100")
            assert shown == truth.board("distinct_givers", counts)
        await fold(world.database)
        assert await world.value(LATEST) == 0
        assert await world.value(LATEST_GIVERS) == 0
