"""P2-2: no insight reads an organisation's recognitions or hi5s, but for those of the hours at the ends of its time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from services.recognition.insights import searching, statements
from services.recognition.insights.givers import DISTINCT_GIVERS
from services.recognition.insights.queries import ALL_VALUES, Scope
from services.recognition.insights.spans import Window
from services.recognition.insights.times import PERIODS, running
from shared.database import Connection, Database
from shared.query.statement import Statement
from tests.component.recognition.conftest import BUILD
from tests.support.databases import Databases
from tests.support.plans import BEYOND_CUSTOM_PLANS, READ, explained, read_when_known

ORGANISATION, ROWS, PEOPLE, DAYS = 1, 25_000, 250, 1_000
NOW = datetime(2026, 6, 17, 9, 30, tzinfo=UTC)
FILL = f"""
SET session_replication_role = replica;
SET search_path = recognition;
INSERT INTO recognitions (org_id, given_by, given_for, core_value_id, text, given_at, hidden)
SELECT 1 + number % 2, number / 2 % {PEOPLE}, (number / 2 + 1 + number % 7) % {PEOPLE} + 1000, number / 2 % 10,
    CASE WHEN number % 12000 < 2 THEN 'Thanks, a rare one' WHEN number >= 47000 THEN 'Winterfest' ELSE 'Thanks' END,
    to_timestamp({int(NOW.timestamp())}) - (number / 2)::double precision / {ROWS} * interval '{DAYS} days',
    number % 40 = 7
FROM generate_series(0, {2 * ROWS} - 1) AS number;
INSERT INTO hi5s (org_id, recognition_id, given_by, given_at) SELECT org_id, id, 1, given_at FROM recognitions;
INSERT INTO members (org_id, user_id, role_id, version)
SELECT 1 + number % 2, 1000 + number / 2, 3, 1 FROM generate_series(0, {2 * PEOPLE} - 1) AS number;
INSERT INTO team_members (org_id, team_id, user_id) SELECT org_id, 5, user_id FROM members WHERE user_id < 1030;
INSERT INTO core_values (org_id, id, text, text_key, description) OVERRIDING SYSTEM VALUE
SELECT 1 + number % 2, number / 2, number, number, 'x' FROM generate_series(0, 23) AS number;
CREATE TEMPORARY TABLE spread AS
SELECT org_id, span, date_trunc(span, given_at AT TIME ZONE 'UTC')::date AS starts, value_id, given_for, given_by
FROM recognitions, unnest('{{day, month, year}}'::text[]) AS span,
    LATERAL (VALUES (0), (core_value_id)) AS core (value_id)
WHERE NOT hidden;
INSERT INTO insight_pairs (org_id, span, core_value_id, starts, given_for, given_by, recognitions)
SELECT org_id, span, value_id, starts, given_for, given_by, count(*) FROM spread GROUP BY 1, 2, 3, 4, 5, 6;
INSERT INTO insight_persons (org_id, span, core_value_id, starts, user_id, received, hi5s, given)
SELECT org_id, span, value_id, starts, given_for, count(*), count(*), 0 FROM spread GROUP BY 1, 2, 3, 4, 5;
INSERT INTO insight_givers (org_id, span, core_value_id, starts, user_id, block, givers)
SELECT org_id, span, value_id, starts, given_for, given_by / 1024, bit_or(giver_bit(given_by))
FROM spread GROUP BY 1, 2, 3, 4, 5, 6;
INSERT INTO insight_totals (org_id, span, starts, core_value_id, recognitions, hi5s)
SELECT org_id, span, starts, value_id, count(*), count(*) FROM spread GROUP BY 1, 2, 3, 4;
INSERT INTO insight_changes (org_id, day, given_for, given_by, core_value_id, recognitions, hi5s)
SELECT org_id, starts, given_for, given_by, value_id, 0, 0 FROM spread WHERE span = 'day' AND value_id > 0 LIMIT 2000;
ANALYZE recognitions, hi5s, members, team_members,
    insight_pairs, insight_persons, insight_givers, insight_totals, insight_changes;
"""
A_DAY = ROWS // DAYS
OF_TWO_DAYS = 3 * A_DAY
"""What lies in the hours at both ends."""

SUMS = PEOPLE * (11 + 11 + 2) + 150 * A_DAY
"""People in the months at both ends of the whole years and in these, and some months of days; not half of the rows."""


def windows() -> dict[str, Window]:
    odd = Window(NOW - timedelta(days=900, minutes=17), NOW - timedelta(days=3, seconds=5))
    named = {period: running(period, "Asia/Kathmandu", NOW) for period in PERIODS}
    return {**named, "odd": odd, "open": Window(NOW - timedelta(days=400, minutes=1), None)}


WINDOWS = windows()
LEADERBOARDS = {**statements.LEADERBOARDS, "given to teams": statements.GIVEN_TO_TEAMS}


@pytest.fixture(scope="module")
async def large(databases: Databases) -> AsyncIterator[Database]:
    """Two organisations with 25,000 recognitions and hi5s of three years."""
    made = await databases.make(BUILD)
    admin = await asyncpg.connect(made.admin_url)
    await admin.execute(FILL)
    await admin.close()
    database = await Database.connect(made.url("recognition"), schema="recognition", size=1, statement_timeout="20s")
    yield database
    await database.close()
    await databases.drop(made)


async def check(tx: Connection, text: str, values: tuple[Any, ...], *sums: str) -> None:
    """The plan for these values and the one for any: neither walks, and both read little."""
    statement = Statement(text, list(values))
    for table in ("recognitions", "hi5s"):
        if table in text:
            assert await explained(tx, statement, table) <= OF_TWO_DAYS
            assert await read_when_known(tx, statement, table) <= OF_TWO_DAYS
    for table in sums:
        assert await explained(tx, statement, table) <= SUMS
        assert await read_when_known(tx, statement, table) <= SUMS


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS.keys())
async def test_p2_2_leaderboards_read_sums(large: Database, window: Window) -> None:
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        for name, text in LEADERBOARDS.items():
            table = "insight_pairs" if name == "given to teams" else "insight_persons"
            teams = [5] if name == "given to teams" else None
            scope = Scope(window=window, values=ALL_VALUES, teams=teams)
            await check(tx, text, (*scope.parameters, 10, None, teams), table)


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS.keys())
async def test_p2_2_distinct_givers_are_read_from_bits(large: Database, window: Window) -> None:
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        for values in (ALL_VALUES, [3], [3, 4]):
            scope = Scope(window=window, values=values)
            await check(tx, DISTINCT_GIVERS, (*scope.parameters, 10, None, None), "insight_givers", "insight_pairs")


async def test_p2_2_a_core_value_a_team_and_a_campaign_read_no_more(large: Database) -> None:
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        for values, team in ([3], None), ([3, 4], 5), (ALL_VALUES, 5):
            scope = Scope(window=WINDOWS["odd"], values=values, teams=[5, 6])
            await check(
                tx, statements.LEADERBOARDS["hi5_received"], (*scope.parameters, 10, team, [5]), "insight_persons"
            )
            await check(tx, statements.REACHED, (*scope.parameters, scope.teams), "insight_persons")


@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS.keys())
async def test_p2_2_summaries_read_sums(large: Database, window: Window) -> None:
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        await check(tx, statements.BY_CORE_VALUE, (*Scope(window=window).parameters, 20), "insight_totals")


async def test_p2_2_search_reads_what_it_ranks(large: Database) -> None:
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        for words, found in (("rare", 5), ("thanks", 10), ("winterfest", 10), ("nowhere", 0)):
            before = await tx.fetchval(READ, "recognitions")
            for _ in range(BEYOND_CUSTOM_PLANS):
                assert len(await searching.search(tx, words, 10)) == found
            read = await tx.fetchval(READ, "recognitions") - before
            assert read <= BEYOND_CUSTOM_PLANS * 4 * searching.DEEPEST


async def test_p2_2_of_words_that_all_have_the_newest_are_found(large: Database) -> None:
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        newest = await tx.fetch(
            "SELECT id FROM recognitions WHERE NOT hidden AND text = 'Thanks' ORDER BY given_at DESC LIMIT 10"
        )
        found = [one["recognition"]["id"] for one in await searching.search(tx, "thanks", 10)]
    assert found == [row["id"] for row in newest]


async def test_p2_2_a_walk_would_be_noticed(large: Database) -> None:
    scope = Scope(window=Window(NOW - timedelta(days=900), NOW))
    walking = "SELECT given_for, count(*) FROM recognitions WHERE $1::text[] IS NOT NULL GROUP BY 1"
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        with pytest.raises(AssertionError):
            await check(tx, walking, scope.parameters[:1])
