"""Each test has the database of a freshly migrated installation to itself."""

from __future__ import annotations

import asyncpg
import pytest

from tests.support.databases import ScratchDatabase


@pytest.mark.parametrize("service", ["auth", "recognition", "quota", "moderation"])
async def test_service_finds_its_tables_and_no_other_services(scratch: ScratchDatabase, service: str) -> None:
    connection = await asyncpg.connect(scratch.url(service), timeout=5)
    try:
        assert await connection.fetchval("SELECT current_user") == f"peerly_{service}"
        schemas = await connection.fetch(
            "SELECT DISTINCT schemaname FROM pg_tables WHERE has_schema_privilege(schemaname, 'USAGE')"
            " AND has_table_privilege(format('%I.%I', schemaname, tablename), 'SELECT')"
            " AND schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        assert [row["schemaname"] for row in schemas] == [service]
    finally:
        await connection.close()
