"""What each service's database role cannot do, asked of the database itself."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.catalogue import SERVICES
from tests.support.databases import ScratchDatabase, build_template

NAMES = [service.name for service in SERVICES]
PAIRS = [(name, other) for name in NAMES for other in NAMES if name != other]
WITHOUT_TENANT = {"outbox", "outbox_archive", "outbox_replays"}
"""Tables with an organisation's number that belong to the messaging: no route reads them."""
APPEND_ONLY = {
    "quota": ["entries", "postings"],
    "recognition": ["spends", "refunds"],
    "moderation": ["reviews", "reports"],
}
DENIED = asyncpg.InsufficientPrivilegeError


@pytest.fixture
async def admin(scratch: ScratchDatabase) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(scratch.admin_url)
    yield connection
    await connection.close()


async def as_service(scratch: ScratchDatabase, name: str) -> asyncpg.Connection[asyncpg.Record]:
    return await asyncpg.connect(scratch.url(name), server_settings={"search_path": name})


@pytest.mark.parametrize("name", NAMES)
async def test_s41_role_has_no_power_over_the_server(
    scratch: ScratchDatabase, admin: asyncpg.Connection[asyncpg.Record], name: str
) -> None:
    await build_template(scratch.admin_url)  # a clone does not have what is granted on its original as a whole
    role = await admin.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", f"peerly_{name}")
    assert role is not None
    powers = ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls", "rolinherit")
    assert not [power for power in powers if role[power]]
    owned = "SELECT count(*) FROM pg_class WHERE relowner = $1::regrole"
    assert await admin.fetchval(owned, f"peerly_{name}") == 0
    connection = await as_service(scratch, name)
    try:
        for statement in (
            "CREATE TABLE mine (id int)",
            "CREATE TABLE public.mine (id int)",
            "CREATE SCHEMA mine",
            "CREATE TEMPORARY TABLE mine (id int)",
            "SELECT pg_read_file('/etc/passwd')",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            f"SET ROLE peerly_{name}_owner",
            "ALTER SYSTEM SET fsync = off",
        ):
            with pytest.raises(DENIED):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("column", "value"), [("at", "'2020-01-01'"), ("actor_id", "7"), ("request_id", "'x'"), ("seq", "1")]
)
async def test_tm7_no_service_says_when_and_for_whom_it_wrote_history(
    scratch: ScratchDatabase, name: str, column: str, value: str
) -> None:
    connection = await as_service(scratch, name)
    try:
        await connection.execute("SELECT set_config('app.org_id', '1', false)")
        await connection.execute("INSERT INTO history (kind, resource_id, action, changes) VALUES ('x', 1, 'x', '[]')")
        with pytest.raises(DENIED):
            await connection.execute(
                f"INSERT INTO history (kind, resource_id, action, changes, {column}) OVERRIDING SYSTEM VALUE"
                f" VALUES ('x', 1, 'x', '[]', {value})"
            )
    finally:
        await connection.close()


@pytest.mark.parametrize(("name", "other"), PAIRS)
async def test_s41_role_touches_nothing_of_another_schema(
    scratch: ScratchDatabase, admin: asyncpg.Connection[asyncpg.Record], name: str, other: str
) -> None:
    tables = await admin.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", other)
    functions = await admin.fetch(
        "SELECT proname FROM pg_proc"
        " WHERE pronamespace = $1::regnamespace AND pronargs = 0 AND prorettype <> 'trigger'::regtype",
        other,
    )
    sequences = await admin.fetch("SELECT sequencename FROM pg_sequences WHERE schemaname = $1", other)
    assert tables
    assert functions
    assert sequences
    connection = await as_service(scratch, name)
    try:
        for statement in (
            *(f"SELECT FROM {other}.{row['tablename']}" for row in tables),
            *(f"INSERT INTO {other}.{row['tablename']} DEFAULT VALUES" for row in tables),
            *(f"DELETE FROM {other}.{row['tablename']}" for row in tables),
            *(f"SELECT {other}.{row['proname']}()" for row in functions),
            *(f"SELECT nextval('{other}.{row['sequencename']}')" for row in sequences),
        ):
            with pytest.raises(DENIED, match=f"permission denied for schema {other}"):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("name", NAMES)
async def test_s3_s41_row_level_security_is_forced_on_every_table_of_tenants(
    admin: asyncpg.Connection[asyncpg.Record], name: str
) -> None:
    rows = await admin.fetch(
        "SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS forced,"
        " EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid) AS has_policy"
        " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id' AND NOT a.attisdropped"
        " WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p')",
        name,
    )
    open_ones = {row["relname"] for row in rows if not (row["forced"] and row["has_policy"])} - WITHOUT_TENANT
    assert not open_ones
    assert len(rows) > len(WITHOUT_TENANT)


@pytest.mark.parametrize("name", NAMES)
async def test_s3_without_a_tenant_no_row_is_visible(
    scratch: ScratchDatabase, admin: asyncpg.Connection[asyncpg.Record], name: str
) -> None:
    """Rows are made by the administrator, whom row-level security does not bind; the service sees none of them."""
    await admin.execute(
        f"INSERT INTO {name}.idempotency_keys (org_id, caller, route, key, body_hash) VALUES (1, 'a', 'b', 'c', '')"
    )
    connection = await as_service(scratch, name)
    try:
        assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 0
        await connection.execute("BEGIN; SET LOCAL app.org_id = '2'")
        assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 0
        with pytest.raises(DENIED, match="row-level security"):
            await connection.execute(
                "INSERT INTO idempotency_keys (org_id, caller, route, key, body_hash) VALUES (1, 'x', 'b', 'c', '')"
            )
        await connection.execute("ROLLBACK; BEGIN; SET LOCAL app.org_id = '1'")
        assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 1
        await connection.execute("ROLLBACK")
        assert await connection.fetchval("SELECT count(*) FROM idempotency_keys") == 0
    finally:
        await connection.close()


@pytest.mark.parametrize(("name", "table"), [(name, table) for name, tables in APPEND_ONLY.items() for table in tables])
async def test_s42_books_and_verdicts_are_append_only(scratch: ScratchDatabase, name: str, table: str) -> None:
    connection = await as_service(scratch, name)
    try:
        for statement in (f"UPDATE {table} SET org_id = 1", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(DENIED, match=f"permission denied for table {table}"):
                await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.parametrize("name", NAMES)
async def test_s42_what_an_event_says_cannot_be_changed(scratch: ScratchDatabase, name: str) -> None:
    connection = await as_service(scratch, name)
    try:
        for column in ("data = '{}'", "type = 'x'", "subject = 'x'", "org_id = 1", "event_id = gen_random_uuid()"):
            with pytest.raises(DENIED, match="permission denied for table outbox"):
                await connection.execute(f"UPDATE outbox SET {column}")
    finally:
        await connection.close()
