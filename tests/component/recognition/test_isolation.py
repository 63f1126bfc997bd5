"""Two organisations in one database: the service's own role sees one of them, or none."""

from __future__ import annotations

import asyncpg
import pytest

from services.recognition.insights.folding import fold
from shared.contracts.providers import ExternalIdentityResolved
from tests.component.recognition.filing import picture, uploaded
from tests.component.recognition.world import ANNA, BEN, CLEO, FOREIGN_ADMIN, OTHER_STRANGER, STRANGER, Api, World
from tests.support.api import ACME, GLOBEX

OF_NO_TENANT = {
    "outbox", "outbox_archive", "outbox_heads", "outbox_epoch", "replays", "inbox", "inbox_positions", "parked", "dead",
    "signing_keys", "revocations", "trusted_providers", "maintenance_windows", "schema_migrations", "backlog",
}  # fmt: skip
TABLES = """
SELECT relname AS name, relrowsecurity AND relforcerowsecurity AS forced FROM pg_class
WHERE relnamespace = 'recognition'::regnamespace AND relkind IN ('r', 'p')
"""
A_CAMPAIGN = """
INSERT INTO campaigns (name, name_key, starts_at, ends_at, goal_metric, goal_target)
VALUES ('Thanks', 'thanks', now(), now() + interval '1 day', 'hi5s', 1)
"""
A_SERIES = """
WITH series AS (
    INSERT INTO recognition_series
        (name, name_key, text, core_value_id, given_by, given_for, recurrence, starts_at, done_on)
    SELECT 'Weekly', 'weekly', 'Thanks', min(id), 98, 99, 'FREQ=WEEKLY', now(), now() FROM core_values
    RETURNING id
)
INSERT INTO recognition_series_occurrences (series_id, due_on, due_at, reason)
SELECT id, now(), now(), 'late' FROM series
"""
APPEND_ONLY = (
    "spends", "refunds", "policies", "insight_persons", "insight_pairs", "insight_givers", "insight_totals",
    "insight_changes",
)  # fmt: skip


@pytest.fixture
async def two_companies(api: Api, world: World) -> tuple[int, int]:
    """The same things happened in both; the recognition of each."""
    values = await api.new_value("Ours"), await api.new_value("Theirs", FOREIGN_ADMIN)
    shown, hidden = [
        (await api.given(ANNA, BEN, values[0]), await api.given(STRANGER, OTHER_STRANGER, values[1])) for _ in range(2)
    ]
    await fold(world.database)
    for number, (caller, org_id) in enumerate(((CLEO, ACME), (FOREIGN_ADMIN, GLOBEX))):
        for thanks in (shown[number], hidden[number]):
            assert (await api.hi5(caller, thanks, None, Idempotency_Key="k")).status == 201
        await world.adjusts(caller, 1)
        known = ExternalIdentityResolved(provider_id=1, sub="s", user_id=caller.user_id, version=1)
        await world.hears(known, org_id)
        await world.team(1, caller, org_id=org_id)
        await world.rows(A_CAMPAIGN, org_id=org_id)
        await world.rows(A_SERIES, org_id=org_id)
        await world.hides(hidden[number], 1, org_id)
        await uploaded(api, caller, "users", caller.user_id, picture())
    return shown


async def tenants_tables(world: World) -> list[str]:
    return [row["name"] for row in await world.rows(TABLES) if row["name"] not in OF_NO_TENANT]


async def test_every_tenants_table_forces_row_level_security(world: World) -> None:
    rows = {row["name"]: row["forced"] for row in await world.rows(TABLES)}
    assert [name for name, forced in rows.items() if not forced and name not in OF_NO_TENANT] == []


async def test_without_conditions_a_tenant_sees_its_own_rows_only(world: World, two_companies: tuple[int, int]) -> None:
    for table in await tenants_tables(world):
        for org_id in (ACME, GLOBEX):
            orgs = [row["org_id"] for row in await world.rows(f"SELECT org_id FROM {table}", org_id=org_id)]
            assert set(orgs) == {org_id}, table


async def test_without_a_tenant_there_is_nothing(world: World, two_companies: tuple[int, int]) -> None:
    for table in await tenants_tables(world):
        async with world.database.transaction() as tx:
            assert await tx.fetchval(f"SELECT count(*) FROM {table}") == 0, table
        async with world.database.connection() as connection:
            assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_nothing_is_written_into_another_organisation(world: World, two_companies: tuple[int, int]) -> None:
    statements = (
        "INSERT INTO core_values (org_id, text, text_key, description) VALUES (2, 'x', 'x', 'x')",
        "UPDATE recognitions SET org_id = 2",
        "INSERT INTO members (org_id, user_id, role_id, version) VALUES (2, 99, 3, 0)",
    )
    for statement in statements:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.rows(statement, org_id=ACME)


async def test_references_stay_inside_the_organisation(world: World, two_companies: tuple[int, int]) -> None:
    (theirs,) = await world.rows("SELECT id FROM core_values", org_id=GLOBEX)
    query = "INSERT INTO recognitions (given_by, given_for, core_value_id, text) VALUES (11, 12, $1, 'x')"
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await world.rows(query, theirs["id"], org_id=ACME)


async def test_journals_are_append_only(world: World, two_companies: tuple[int, int]) -> None:
    for table in APPEND_ONLY:
        for statement in (f"UPDATE {table} SET org_id = org_id", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await world.rows(statement)


async def test_hi5s_and_recognitions_are_never_deleted(world: World, two_companies: tuple[int, int]) -> None:
    for statement in ("DELETE FROM hi5s", "DELETE FROM recognitions", "UPDATE hi5s SET given_by = 1"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.rows(statement)


async def test_foreign_ids_answer_as_unknown_ones(api: Api, two_companies: tuple[int, int]) -> None:
    ours, _ = two_companies
    for path in ("/recognitions/{id}", "/recognitions/{id}/hi5"):
        foreign = await api.get(STRANGER, path.format(id=ours))
        unknown = await api.get(STRANGER, path.format(id=4711))
        assert (foreign.status, foreign.body) == (unknown.status, unknown.body) == (404, foreign.body)
    for query in (f"given_by={ANNA.user_id}", f"given_for={BEN.user_id}", f"given_by={ANNA.user_id}&total=true"):
        assert (await api.get(STRANGER, f"/recognitions?{query}")).data == []
    assert (await api.hi5(STRANGER, ours)).body == (await api.hi5(STRANGER, 4711)).body


async def test_events_name_their_organisation(world: World, two_companies: tuple[int, int]) -> None:
    rows = await world.rows("SELECT org_id, type FROM outbox WHERE type NOT LIKE 'CredentialsUsed%' ORDER BY id")
    for org_id in (ACME, GLOBEX):
        types = [row["type"].removesuffix(".v1") for row in rows if row["org_id"] == org_id]
        given, spent = ["RecognitionGiven"] * 2, ["Hi5Spent", "Hi5sReceivedChanged"] * 2
        assert types == ["CoreValueCreated", *given, *spent, "Hi5Refunded", "Hi5sReceivedChanged", "FileAttached"]


async def test_the_collector_sees_contents_of_all_organisations_and_nothing_else(
    world: World, two_companies: tuple[int, int]
) -> None:
    await world.as_administrator("UPDATE files SET removed_at = now()")
    async with world.database.transaction() as tx:
        found = await tx.fetchval("SELECT unused_contents('infinity', 10)")
        assert (len(found), await tx.fetchval("SELECT count(*) FROM file_contents")) == (2, 0)
        await tx.execute("SELECT forget_contents($1)", found[:1])
        assert await tx.fetchval("SELECT unused_contents('infinity', 10)") == found[1:]
    query = "SELECT has_table_privilege('peerly_recognition_definer', 'recognition.' || $1, $2)"
    for table in ("files", "file_containers"):
        assert not await world.value(query, table, "SELECT")
    assert not await world.value(query, "file_contents", "UPDATE")
    for statement in ("DELETE FROM files", "DELETE FROM file_contents", "UPDATE files SET name = 'x'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.rows(statement)
