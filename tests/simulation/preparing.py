"""The database of a simulation: the shipped schemas, whose clock is the simulator's."""

from __future__ import annotations

import asyncpg

from services.catalogue import SERVICES
from tests.support.databases import build_template

_SEAM = """
CREATE SCHEMA simulation;
CREATE FUNCTION simulation.clock_timestamp() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT pg_catalog.current_setting('simulation.now')::timestamptz $$;
CREATE FUNCTION simulation.now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT pg_catalog.current_setting('simulation.now')::timestamptz $$;
GRANT USAGE ON SCHEMA simulation TO PUBLIC;
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT attrelid::regclass AS owner, attname, pg_get_expr(adbin, adrelid) AS value
        FROM pg_attrdef JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
        WHERE attrelid::regclass::text ~ '^(auth|recognition|quota|moderation)[.]'
            AND pg_get_expr(adbin, adrelid) ~ '^(clock_timestamp|now)[(][)]$'
    LOOP
        EXECUTE format(
            'ALTER TABLE %s ALTER COLUMN %I SET DEFAULT simulation.clock_timestamp()', found.owner, found.attname
        );
    END LOOP;
END $$;
"""

_KEPT = ("schema_migrations", "outbox_epoch")
_LEFT_IN_AUTH = (
    "outbox", "outbox_heads", "outbox_archive", "replays", "inbox", "inbox_positions", "parked", "dead", "balances",
    "hi5_counts", "idempotency_keys", "revocations", "history",
)  # fmt: skip
_TABLES = """
SELECT string_agg(format('%I.%I', schemaname, tablename), ', ' ORDER BY schemaname, tablename) FROM pg_tables
WHERE schemaname = ANY($1) AND NOT tablename = ANY($2) AND (schemaname <> 'auth' OR tablename = ANY($3))
"""


async def build_simulation(admin_url: str) -> None:
    """All services' schemas. Where they ask for the time, the search path leads them to the simulator's clock."""
    await build_template(admin_url)
    admin = await asyncpg.connect(admin_url, timeout=30)
    try:
        await admin.execute(_SEAM)
    finally:
        await admin.close(timeout=10)


class Cleaner:
    """Empties the tables between seeds, so that the last one is as quick as the first."""

    def __init__(self, admin: asyncpg.Connection[asyncpg.Record]) -> None:
        self._admin = admin
        self._statement: str | None = None

    async def clean(self) -> None:
        if self._statement is None:
            schemas = [service.name for service in SERVICES]
            tables = await self._admin.fetchval(_TABLES, schemas, list(_KEPT), list(_LEFT_IN_AUTH))
            self._statement = f"TRUNCATE {tables} RESTART IDENTITY"
        await self._admin.execute(self._statement)
