"""The second wall: what auth's own database role sees and may do without any WHERE of the service."""

from __future__ import annotations

import asyncpg
import pytest

from services.auth.domain.names import prefix_range
from services.auth.domain.profiles import profile_of_names
from services.auth.queries.people import list_profiles
from services.auth.store.people import add_people
from shared.contracts.auth import UserJoined
from shared.database import Connection
from shared.http import Page
from shared.identity import Role
from tests.component.auth.world import World

TENANTS_TABLES = {
    "credential_uses": "org_id", "personal_tokens": "org_id", "api_keys": "org_id", "api_key_issues": "org_id",
    "organisations": "id", "organisation_domains": "org_id", "users": "org_id", "passwords": "org_id",
    "oauth_clients": "org_id", "oauth_grants": "org_id", "oauth_authorizations": "org_id",
    "oauth_refresh_tokens": "org_id", "oauth_access_tokens": "org_id", "oauth_sign_ins": "org_id",
    "sessions": "org_id", "identity_providers": "org_id", "external_identities": "org_id",
    "password_resets": "org_id", "balances": "org_id", "hi5_counts": "org_id", "idempotency_keys": "org_id",
    "value_lists": "org_id", "teams": "org_id", "pictures": "org_id", "history": "org_id",
}  # fmt: skip


async def _fill(world: World) -> None:
    await world.owner.execute(
        "INSERT INTO balances SELECT org_id, id, 1, 0, now(), 1 FROM users;"
        "INSERT INTO hi5_counts SELECT org_id, id, 1, 1 FROM users;"
        "INSERT INTO password_resets (org_id, user_id, token_hash, expires_at)"
        " SELECT org_id, id, sha256(id::text::bytea), now() FROM users;"
        "INSERT INTO credential_uses SELECT org_id, 'key:1', id, now() FROM users;"
        "INSERT INTO personal_tokens (org_id, user_id, generation, name, scopes, created_at, expires_at)"
        " SELECT org_id, id, 1, '', '{}', now(), now() FROM users;"
        "INSERT INTO sessions (org_id, user_id, generation, began, created_at, expires_at)"
        " SELECT org_id, id, 1, '', now(), now() FROM users;"
        "INSERT INTO api_keys (org_id, name, scopes, created_at) SELECT org_id, id::text, '{}', now() FROM users;"
        "INSERT INTO api_key_issues (org_id, jti, key_id, user_id, prefix, issued_at, expires_at)"
        " SELECT org_id, name, id, name::bigint, '', now(), now() FROM api_keys;"
        "INSERT INTO oauth_clients (org_id, client_id, name, redirect_uris, scopes, acts_for, created_at)"
        " SELECT org_id, id::text, '', '{}', '{}', id, now() FROM users;"
        "INSERT INTO oauth_grants (org_id, user_id, application, scopes, created_at)"
        " SELECT org_id, acts_for, id, '{}', now() FROM oauth_clients;"
        "INSERT INTO oauth_authorizations"
        " (org_id, grant_id, code_hash, redirect_uri, challenge, scopes, generation, created_at, keep_until)"
        " SELECT org_id, id, sha256(id::text::bytea), '', '', '{}', 1, now(), now() FROM oauth_grants;"
        "INSERT INTO oauth_refresh_tokens SELECT org_id, code_hash, id, now() FROM oauth_authorizations;"
        "INSERT INTO oauth_access_tokens SELECT org_id, id::text, id, now() FROM oauth_authorizations;"
        "INSERT INTO oauth_sign_ins SELECT org_id, sha256(id::text::bytea), id, 1, now() FROM users;"
        "INSERT INTO identity_providers (org_id, issuer, audience, created_at, due_at)"
        " SELECT org_id, 'https://idp.example', id::text, now(), '2100-01-01' FROM users;"
        "INSERT INTO external_identities SELECT org_id, 1, id::text, id, 1 FROM users;"
        "INSERT INTO teams (org_id, name, folded_name, member_ids) SELECT org_id, id::text, id::text, '{}' FROM users;"
        "INSERT INTO pictures SELECT org_id, id, 1, NULL FROM users;"
        "INSERT INTO value_lists (org_id, name, items) SELECT org_id, id::text, '{}' FROM users;"
        "INSERT INTO idempotency_keys SELECT org_id, id::text, '', '', '' FROM users"
    )


async def test_every_table_of_tenants_is_under_a_forced_policy(world: World) -> None:
    rows = await world.owner.fetch(
        "SELECT relname FROM pg_class"
        " WHERE relnamespace = 'auth'::regnamespace AND relrowsecurity AND relforcerowsecurity"
    )
    assert {row["relname"] for row in rows} == set(TENANTS_TABLES)


async def test_a_tenants_transaction_sees_one_organisation(world: World) -> None:
    await _fill(world)
    for table, column in TENANTS_TABLES.items():
        async with world.context.database.transaction(world.acme) as tx:
            seen = {row[0] for row in await tx.fetch(f"SELECT DISTINCT {column} FROM {table}")}
        async with world.context.database.transaction() as tx:
            unset = await tx.fetchval(f"SELECT count(*) FROM {table}")
        assert (seen, unset) == ({world.acme}, 0), table


async def test_the_installation_sees_organisations_and_no_people_but_its_own(world: World) -> None:
    await _fill(world)
    async with world.context.database.transaction(0) as tx:
        assert await tx.fetchval("SELECT count(*) FROM organisations") == 3
        assert {row[0] for row in await tx.fetch("SELECT org_id FROM users")} == {0}
        assert {row[0] for row in await tx.fetch("SELECT org_id FROM passwords")} == {0}


FORBIDDEN = [
    "DELETE FROM users",
    "DELETE FROM organisations",
    "UPDATE users SET org_id = 0",
    "UPDATE users SET email = 'x'",
    "DELETE FROM outbox",
    "UPDATE outbox SET data = '{}'",
    "TRUNCATE users",
    "DROP TABLE users",
    "CREATE TABLE mine (id int)",
    "ALTER TABLE users DISABLE ROW LEVEL SECURITY",
    "SET ROLE peerly_auth_owner",
    "SET ROLE peerly_auth_definer",
    "INSERT INTO organisation_domains (domain, org_id, spelling, place) VALUES ('x.test', 2, 'x.test', 1)",
]


async def test_what_the_role_may_not_do(world: World) -> None:
    for statement in FORBIDDEN:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with world.context.database.transaction(world.acme) as tx:
                await tx.execute(statement)


async def test_only_the_named_functions_run_with_other_rights(world: World) -> None:
    rows = await world.owner.fetch(
        "SELECT proname, pg_get_userbyid(proowner) AS owner, proconfig,"
        " has_function_privilege('public', oid, 'EXECUTE') AS open"
        " FROM pg_proc WHERE pronamespace = 'auth'::regnamespace AND prosecdef"
    )
    assert {row["proname"] for row in rows} == {
        "organisation_of_domain", "account_of_email", "organisation_of_user", "owner_of_password_reset",
        "move_to_installation", "archive_outbox", "forget_idempotency_keys", "organisation_of_client",
        "claim_due_providers", "forget_links_of",
    }  # fmt: skip
    assert {row["owner"] for row in rows} == {"peerly_auth_definer"}
    assert not any(row["open"] for row in rows)
    assert all(row["proconfig"] == ["search_path=auth, pg_temp"] for row in rows)


async def test_nobody_of_another_organisation_is_moved_to_the_installation(world: World) -> None:
    async with world.context.database.transaction(world.acme) as tx:
        assert await tx.fetchval("SELECT move_to_installation($1)", world.id_of("gina")) is None


async def test_the_look_ups_can_read_no_names_and_no_hashes(world: World) -> None:
    for column in ("email", "first_name", "google_subject"):
        assert not await world.owner.fetchval(
            "SELECT has_column_privilege('peerly_auth_definer', 'auth.users', $1, 'SELECT')", column
        )
    assert not await world.owner.fetchval(
        "SELECT has_table_privilege('peerly_auth_definer', 'auth.passwords', 'SELECT')"
    )


async def _crowd(world: World) -> None:
    """Enough people that a walk through all of them is a plan that shows."""
    for org_id in (world.acme, world.globex):
        people = [
            (f"u{number}@{org_id}.test", profile_of_names(f"First{number}", f"Last{number}"), Role(3 + number % 2))
            for number in range(4000)
        ]
        async with world.context.database.transaction(org_id) as tx:
            await add_people(tx, people)
    await world.owner.execute("ANALYZE users")


async def _plan(tx: Connection, query: str, *arguments: object) -> str:
    return "\n".join(row[0] for row in await tx.fetch(f"EXPLAIN (COSTS OFF) {query}", *arguments))


async def test_lists_and_their_filters_walk_indexes_under_the_policy(world: World) -> None:
    await _crowd(world)
    queries: list[tuple[dict[str, object], set[str]]] = [
        ({}, {"users_present"}),
        ({"include_deleted": True}, {"users_pkey"}),
        ({"role_id": 2}, {"users_present_by_role"}),
        ({"role_id": 2, "include_deleted": True}, {"users_by_role"}),
        (
            {"starts_with": "first39"},
            {"users_first_name_prefix", "users_last_name_prefix", "users_display_name_prefix", "users_email_prefix"},
        ),
    ]
    for query, indexes in queries:
        plan = await _plan_of_list(world, query)
        assert "Seq Scan on users" not in plan, (query, plan)
        assert "Filter: (org_id" not in plan, (query, plan)
        assert all(index in plan for index in indexes), (query, plan)


async def _plan_of_list(world: World, query: dict[str, object]) -> str:
    """What PostgreSQL does for a list: its own statement, explained for the service's role."""
    plans: list[str] = []

    class Explaining:
        def __init__(self, tx: Connection) -> None:
            self._tx = tx

        async def fetch(self, statement: str, *arguments: object) -> list[object]:
            plans.append(await _plan(self._tx, statement, *arguments))
            return []

    async with world.context.database.transaction(world.acme) as tx:
        await list_profiles(Explaining(tx), query, Page(20, 0, None, False), world.clock())  # type: ignore[arg-type]
    return plans[0]


async def test_sign_in_finds_an_account_by_one_index(world: World) -> None:
    await _crowd(world)
    await world.owner.execute("SET ROLE peerly_auth_definer")
    plan = await _plan(world.owner, "SELECT org_id, id FROM users WHERE folded_email = 'x' COLLATE \"POSIX\"")
    assert "users_email" in plan, plan


async def test_enrolling_the_same_people_again_changes_nothing(world: World) -> None:
    before = len(await world.told(UserJoined))
    await world.enrol(world.acme, {"emil": Role.ORGANISATION_ADMIN})
    assert len(await world.told(UserJoined)) == before
    assert (await world.get("ada", f"/users/{world.id_of('emil')}")).data["role_id"] == 3
    assert prefix_range("É") == ("\u00e9", "\u00e9\U0010ffff")
