"""Which tables a function means is not up to whoever calls it, where it has its owner's rights or is a trigger."""

from __future__ import annotations

import asyncpg
import pytest

from services.catalogue import SERVICES
from tests.support.databases import ScratchDatabase

NAMES = [service.name for service in SERVICES]

_FUNCTIONS = """
SELECT function.oid::regprocedure::text AS name, schema.nspname AS schema,
    coalesce(function.proconfig, '{}') AS settings
FROM pg_proc AS function JOIN pg_namespace AS schema ON schema.oid = function.pronamespace
WHERE schema.nspname !~ '^pg_' AND schema.nspname <> 'information_schema'
    AND (function.prosecdef OR function.prorettype IN ('trigger'::regtype, 'event_trigger'::regtype))
"""


@pytest.fixture
async def functions(scratch: ScratchDatabase) -> list[asyncpg.Record]:
    admin = await asyncpg.connect(scratch.admin_url)
    try:
        return list(await admin.fetch(_FUNCTIONS))
    finally:
        await admin.close()


async def test_s41_definers_and_triggers_have_a_search_path_of_their_own(functions: list[asyncpg.Record]) -> None:
    """The temporary schema is named last: else it would come first."""
    open_ones = {row["name"] for row in functions if f"search_path={row['schema']}, pg_temp" not in row["settings"]}
    assert open_ones == set()


@pytest.mark.parametrize("schema", NAMES)
async def test_the_functions_of_every_service_are_looked_at(functions: list[asyncpg.Record], schema: str) -> None:
    assert [row for row in functions if row["schema"] == schema]
