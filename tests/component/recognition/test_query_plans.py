"""No query of recognitions or core values walks through an organisation's whole table."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.recognition.kinds.campaigns import CAMPAIGNS
from services.recognition.kinds.core_values import CORE_VALUES
from services.recognition.kinds.recognitions import RECOGNITIONS
from services.recognition.kinds.series import SERIES
from shared.database import Database
from shared.query import Kind, cursors
from shared.query.asking import EPOCH
from shared.query.searching import MOST_FOUND
from tests.component.recognition.conftest import BUILD
from tests.support.databases import Databases
from tests.support.plans import (
    BEYOND_CUSTOM_PLANS,
    MOST_READ,
    ORGANISATION,
    READ,
    ROWS,
    Question,
    Samples,
    explained,
    questions,
    read_when_known,
    walks,
)

FILL = f"""
SET session_replication_role = replica;
INSERT INTO recognition.recognitions
    (org_id, given_by, given_for, core_value_id, text, given_at, hidden)
SELECT 1 + number % 2, number / 2 % 500, 500 + number / 2 % 499, number / 2 % 10,
    CASE WHEN number % 20000 < 2 THEN 'Thanks, a rare one' ELSE 'Thanks' END,
    to_timestamp(1700000000 + number / 8), number % 20 = 7
FROM generate_series(1, {2 * ROWS}) AS number;
INSERT INTO recognition.core_values (org_id, text, text_key, description, parent_core_value_id)
SELECT 1 + number % 2, 'value ' || number, 'value ' || number, 'x', 1000000 + number % 1000
FROM generate_series(1, {2 * ROWS}) AS number;
INSERT INTO recognition.campaigns (org_id, name, name_key, starts_at, ends_at, goal_metric, goal_target)
SELECT 1 + number % 2, 'campaign ' || number % 50000, 'campaign ' || number % 50000,
    to_timestamp(1700000000 + number / 8), to_timestamp(1800000000 + number / 8), 'hi5s', 1
FROM generate_series(1, {2 * ROWS}) AS number;
INSERT INTO recognition.recognition_series
    (org_id, name, name_key, text, core_value_id, given_by, given_for, team_id, recurrence, starts_at, done_on)
SELECT 1 + number % 2, 'series ' || number % 50000, 'series ' || number % 50000, 'Thanks', number / 2 % 10,
    1000 + number / 2 % 500, CASE WHEN number % 3 > 0 THEN number / 2 % 499 END,
    CASE WHEN number % 3 = 0 THEN number / 2 % 97 END, 'FREQ=DAILY', to_timestamp(1700000000 + number / 8), now()
FROM generate_series(1, {2 * ROWS}) AS number;
ANALYZE recognition.recognitions, recognition.core_values, recognition.campaigns, recognition.recognition_series;
"""
MIDDLE, MOMENT = ROWS, 1_700_000_000 + ROWS // 8
IDS = {"eq": MIDDLE, "ne": MIDDLE, "in": [MIDDLE, MIDDLE + 2], **dict.fromkeys(("lt", "le", "gt", "ge"), MIDDLE)}
SAMPLES: dict[Kind, Samples] = {
    RECOGNITIONS: {
        "id": IDS,
        "given_by": {"eq": 7, "in": [7, 8, 4711]},
        "given_for": {"eq": 507, "in": [507, 508, 4711]},
        "core_value_id": {"eq": 3, "in": list(range(10))},
        "given_at": dict.fromkeys(("eq", "lt", "le", "gt", "ge"), MOMENT),
    },
    CORE_VALUES: {
        "id": IDS,
        "text": {"eq": "value 7", "in": ["value 7", "value 8"], "prefix": "value"},
        "parent_core_value_id": {"eq": 1000006, "in": [1000006, 1000008, 7]},
    },
    CAMPAIGNS: {
        "id": IDS,
        "name": {"eq": "campaign 7", "in": ["campaign 7", "campaign 9"], "prefix": "campaign"},
        "starts_at": dict.fromkeys(("eq", "lt", "le", "gt", "ge"), MOMENT),
        "ends_at": dict.fromkeys(("eq", "lt", "le", "gt", "ge"), MOMENT + 100_000_000),
    },
    SERIES: {
        "id": IDS,
        "name": {"eq": "series 7", "in": ["series 7", "series 9"], "prefix": "series"},
        "given_by": {"eq": 1007, "in": [1007, 1008, 4711]},
        "given_for": {"eq": 7, "in": [7, 8, 4711]},
        "team_id": {"eq": 7, "in": [7, 8, 4711]},
        "core_value_id": {"eq": 3, "in": list(range(10))},
        "starts_at": dict.fromkeys(("eq", "lt", "le", "gt", "ge"), MOMENT),
    },
}


@pytest.fixture(scope="module")
async def large(databases: Databases) -> AsyncIterator[Database]:
    """Two organisations with 100,000 rows of each kind."""
    made = await databases.make(BUILD)
    admin = await asyncpg.connect(made.admin_url)
    await admin.execute(FILL)
    await admin.close()
    database = await Database.connect(made.url("recognition"), schema="recognition", size=1, statement_timeout="20s")
    yield database
    await database.close()
    await databases.drop(made)


@pytest.mark.parametrize("kind", SAMPLES, ids=lambda kind: kind.table)
async def test_tm6_every_filter_and_sort_walks_along_an_index(large: Database, kind: Kind) -> None:
    asked = list(questions(kind, SAMPLES[kind]))
    assert len(asked) > 40
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        assert await walks(tx, kind, asked) == []


async def test_tm6_pages_behind_a_cursor_walk_along_an_index(large: Database) -> None:
    moment = EPOCH.fromtimestamp(MOMENT, EPOCH.tzinfo)
    asked = [
        Question(filters, order, cursors.encode(order, keys))
        for filters in ((), ({"given_by": {"in": [7, 8]}},), ({"core_value_id": {"eq": 3}},))
        for order, keys in (
            (("-given_at", "-id"), (moment, MIDDLE)),
            (("given_at", "id"), (moment, MIDDLE)),
            (("-given_at", "id"), (moment, MIDDLE)),
            (("id",), (MIDDLE,)),
        )
        if order != ("id",) or not filters
    ]
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        assert await walks(tx, RECOGNITIONS, asked) == []


async def test_tm6_a_sort_without_an_index_would_be_noticed(large: Database) -> None:
    """The same measures on an order that is not declared."""
    statement = Question((), ("-given_at",)).statement(RECOGNITIONS)
    unindexed = type(statement)(
        statement.text.replace("ORDER BY given_at DESC", "ORDER BY text DESC"), statement.values
    )
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        read = await read_when_known(tx, unindexed, "recognitions")
        assert read > 20 * MOST_READ
        with pytest.raises(AssertionError):
            assert await explained(tx, unindexed, "recognitions") < MOST_READ


async def test_tm6_a_search_reads_what_it_finds_and_no_more_than_it_may(large: Database) -> None:
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        for words, found in (("rare", 10), ("Thanks", MOST_FOUND + 1), ("rare Thanks", 10), ("nowhere", 0)):
            before = await tx.fetchval(READ, "recognitions")
            for _ in range(BEYOND_CUSTOM_PLANS):
                assert len(await tx.fetchval("SELECT recognitions_saying($1, $2)", words, MOST_FOUND + 1)) == found
            read = await tx.fetchval(READ, "recognitions") - before
            assert read <= BEYOND_CUSTOM_PLANS * (MOST_READ if found else 1), words
