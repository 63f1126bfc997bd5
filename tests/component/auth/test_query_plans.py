"""No query of people or teams walks through an organisation's whole table."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.auth.queries.kinds import TEAMS, USERS
from shared.database import Database
from shared.query import Kind, cursors
from shared.query.asking import EPOCH
from tests.component.auth.running import BUILD
from tests.support.databases import Databases
from tests.support.plans import ORGANISATION, ROWS, Question, Samples, questions, walks

FILL = f"""
SET session_replication_role = replica;
INSERT INTO auth.users (
    org_id, email, first_name, last_name, display_name, role_id, created_at, soft_delete_at,
    folded_email, folded_first_name, folded_last_name, folded_display_name
)
SELECT 1 + number % 2, '', '', '', '', 2 + number / 2 % 3, to_timestamp(1700000000 + number / 8),
    CASE WHEN number % 20 = 7 THEN now() END,
    'u' || number || '@x.test', 'n' || number / 2 % 997, 'n' || number / 2 % 983, 'n' || number / 2 % 991
FROM generate_series(1, {2 * ROWS}) AS number;
INSERT INTO auth.teams (org_id, name, folded_name, member_ids, lead_id)
SELECT 1 + number % 2, '', 'team ' || number, '{{}}', number / 2 % 997 FROM generate_series(1, {2 * ROWS}) AS number;
ANALYZE auth.users, auth.teams;
"""
MIDDLE, MOMENT = ROWS, 1_700_000_000 + ROWS // 8
NAMES = {"eq": "n7", "in": ["n7", "n8", "none"], "prefix": "n"}
IDS = {"eq": MIDDLE, "ne": MIDDLE, "in": [MIDDLE, MIDDLE + 2], **dict.fromkeys(("lt", "le", "gt", "ge"), MIDDLE)}
PEOPLE: Samples = {
    "id": IDS,
    "email": {"eq": f"u{MIDDLE}@x.test", "in": [f"u{MIDDLE}@x.test", "none@x.test"], "prefix": "u"},
    **dict.fromkeys(("first_name", "last_name", "display_name"), NAMES),
    "role_id": {"eq": 3, "ne": 4, "in": [1, 2, 3]},
    "created_at": dict.fromkeys(("eq", "lt", "le", "gt", "ge"), MOMENT),
}
SAMPLES: dict[Kind, Samples] = {
    USERS: PEOPLE,
    TEAMS: {
        "id": IDS,
        "name": {"eq": f"team {MIDDLE}", "in": [f"team {MIDDLE}", f"team {MIDDLE + 2}"], "prefix": "team"},
        "lead_id": {"eq": 7, "in": [7, 8, 4711]},
    },
}


@pytest.fixture(scope="module")
async def large(databases: Databases) -> AsyncIterator[Database]:
    """Two organisations with 100,000 people and as many teams each."""
    made = await databases.make(BUILD)
    admin = await asyncpg.connect(made.admin_url)
    await admin.execute(FILL)
    await admin.close()
    database = await Database.connect(made.url("auth"), schema="auth", size=1, statement_timeout="20s")
    yield database
    await database.close()
    await databases.drop(made)


@pytest.mark.parametrize("kind", SAMPLES, ids=lambda kind: kind.table)
async def test_tm6_every_filter_and_sort_walks_along_an_index(large: Database, kind: Kind) -> None:
    asked = list(questions(kind, SAMPLES[kind]))
    assert len(asked) > {USERS: 100, TEAMS: 40}[kind]
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        assert await walks(tx, kind, asked) == []


async def test_tm6_pages_behind_a_cursor_walk_along_an_index(large: Database) -> None:
    moment = EPOCH.fromtimestamp(MOMENT, EPOCH.tzinfo)
    keys = {"created_at": moment, "email": "u5", "first_name": "n5", "last_name": "n5", "display_name": "n5"}
    asked = [
        Question((), order, cursors.encode(order, (key, MIDDLE)))
        for name, key in keys.items()
        for order in ((name, "id"), (f"-{name}", "-id"), (name, "-id"))
    ]
    async with large.transaction(ORGANISATION, read_only=True) as tx:
        assert await walks(tx, USERS, asked) == []
