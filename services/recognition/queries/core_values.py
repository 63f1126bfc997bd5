"""Core values as clients see them."""

from __future__ import annotations

from typing import Any, cast

import asyncpg

from shared.database import Connection, Database
from shared.http import Raw

_CORE_VALUES = "SELECT documents, total FROM core_value_documents($1)"
_CORE_VALUE = """
SELECT id, text, description, parent_core_value_id, org_id, thumbnail, version FROM core_values WHERE id = $1
"""


async def core_values(database: Database, org_id: int) -> tuple[Raw, int]:
    """All of the organisation's, in the order of their ids, and how many."""
    async with database.connection() as connection:
        found = await connection.fetchrow(_CORE_VALUES, org_id)
    documents, count = cast(asyncpg.Record, found)
    return Raw(documents), count


async def core_value(tx: Connection, value_id: int) -> tuple[dict[str, Any], int] | None:
    """A core value and its version."""
    row = await tx.fetchrow(_CORE_VALUE, value_id)
    if row is None:
        return None
    found = dict(row)
    return found, found.pop("version")
