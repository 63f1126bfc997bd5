"""Rows of core values."""

from __future__ import annotations

from typing import NamedTuple, cast

import asyncpg

from services.recognition.domain.core_values import CoreValueInUse
from shared.database import Connection


class CoreValue(NamedTuple):
    """A core value as it is kept."""

    id: int
    text: str
    description: str
    parent_core_value_id: int | None
    thumbnail: str | None
    org_id: int
    version: int


class Draft(NamedTuple):
    """What is to be kept of a core value."""

    text: str
    text_key: str
    description: str
    parent_core_value_id: int | None
    thumbnail: str | None


_ADD = """
INSERT INTO core_values (text, text_key, description, parent_core_value_id, thumbnail) VALUES ($1, $2, $3, $4, $5)
RETURNING id, text, description, parent_core_value_id, thumbnail, org_id, version
"""
_GET = """
SELECT id, text, description, parent_core_value_id, thumbnail, org_id, version FROM core_values WHERE id = $1
"""
_UPDATE = """
UPDATE core_values
SET text = $2, text_key = $3, description = $4, parent_core_value_id = $5, thumbnail = $6, version = version + 1
WHERE id = $1
RETURNING id, text, description, parent_core_value_id, thumbnail, org_id, version
"""


async def lock_tree(tx: Connection) -> dict[int, int | None]:
    """Each core value's parent; nobody else changes the organisation's core values until this transaction ends."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.core_values', tenant()))")
    rows = await tx.fetch("SELECT id, parent_core_value_id FROM core_values")
    return {row["id"]: row["parent_core_value_id"] for row in rows}


async def text_is_taken(tx: Connection, text_key: str, by_other_than: int | None) -> bool:
    query = "SELECT EXISTS (SELECT FROM core_values WHERE text_key = $1 AND id IS DISTINCT FROM $2)"
    return bool(await tx.fetchval(query, text_key, by_other_than))


async def add(tx: Connection, draft: Draft) -> CoreValue:
    return _kept(await tx.fetchrow(_ADD, *draft))


async def get(tx: Connection, value_id: int) -> CoreValue | None:
    row = await tx.fetchrow(_GET, value_id)
    return None if row is None else _kept(row)


async def update(tx: Connection, value_id: int, draft: Draft) -> CoreValue:
    return _kept(await tx.fetchrow(_UPDATE, value_id, *draft))


async def delete(tx: Connection, value_id: int) -> None:
    """Raises `CoreValueInUse` while anything refers to it."""
    try:
        await tx.execute("DELETE FROM core_values WHERE id = $1", value_id)
    except asyncpg.ForeignKeyViolationError:
        raise CoreValueInUse from None


def _kept(row: asyncpg.Record | None) -> CoreValue:
    return CoreValue(**dict(cast(asyncpg.Record, row)))
