"""P2-2: different givers of any time, running or over, whether they are in sums, in changes or in both."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from services.recognition.insights.folding import fold
from tests.component.recognition.playing import NOW, PEOPLE, STEPS, Play, begin
from tests.component.recognition.test_insights import board
from tests.component.recognition.world import BEN, Api, World


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
        if until is not None:
            since, until = min(since, until), max(since, until) + timedelta(seconds=1)
        value = chance.choice([None, *started.values])

        def counts(row: Any, times: Any = (since, until), value: Any = value) -> bool:
            began, ended = times
            in_time = began <= row["given_at"] and (ended is None or row["given_at"] < ended)
            return in_time and value in {None, row["core_value_id"]}

        query = f"&limit=100&from={int(since.timestamp())}"
        query += "" if until is None else f"&to={int(until.timestamp())}"
        query += "" if value is None else f"&core_value_id={value}"
        assert await board(api, "distinct_givers", query) == truth.board("distinct_givers", counts), query


BITS = """
SELECT count(*) FROM (
    SELECT span, core_value_id, starts, given_for AS user_id, given_by / 1024 AS block,
        bit_or(giver_bit(given_by)) AS bits
    FROM insight_pairs WHERE recognitions > 0 GROUP BY 1, 2, 3, 4, 5
) AS counted
FULL JOIN (SELECT * FROM insight_givers WHERE bit_count(givers) > 0) AS known
    USING (span, core_value_id, starts, user_id, block)
WHERE counted.bits IS DISTINCT FROM known.givers
"""


@pytest.mark.parametrize("started", [1, 2, 3], indirect=True)
async def test_p2_2_everybody_has_a_bit_in_each_span_in_which_they_gave(started: Play, world: World) -> None:
    for _ in range(STEPS // 4):
        await started.steps(4)
        assert await world.value(BITS) == 0
    await fold(world.database)
    assert await world.value("SELECT sum(bit_count(givers)) FROM insight_givers") > PEOPLE
    assert await world.value(BITS) == 0


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
        for days, length in itertools.product((0, 1, 32, 365, 4_000), (1, 20, 200, 4_001)):
            since = NOW.replace(microsecond=0) - timedelta(days=days)
            until = since + timedelta(days=length)

            def counts(row: Any, times: Any = (since, until)) -> bool:
                return bool(times[0] <= row["given_at"] < times[1])

            times = f"&from={int(since.timestamp())}&to={int(until.timestamp())}"
            shown = await board(api, "distinct_givers", f"{times}&limit=100")
            assert shown == truth.board("distinct_givers", counts)
        await fold(world.database)
        assert await world.value(BITS) == 0


async def test_p2_2_givers_with_any_id_are_counted(api: Api, world: World) -> None:
    """Those at both ends of rows of bits; before they are in one, when they are, and when one has taken it back."""
    value, givers = await api.new_value(), [1023, 1024, 2047, 2048, 3_000_000_007]
    for giver in givers:
        await world.rows(
            "INSERT INTO recognitions (given_by, given_for, core_value_id, text) VALUES ($1, $2, $3, 'x')",
            giver,
            BEN.user_id,
            value,
        )
    for expected in (5, 5, 4, 4):
        assert await board(api, "distinct_givers") == [(1, BEN.user_id, expected)]
        if await fold(world.database):
            assert await world.value("SELECT count(*) FROM insight_givers WHERE span = 'day'") == 2 * 4
        else:
            await world.rows("SELECT take_back(id, 1) FROM recognitions WHERE given_by = 2047")
