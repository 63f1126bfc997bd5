"""Rows that an import looks for, many at a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from shared.database import Connection


class Colleague(NamedTuple):
    """A person as auth knows them, for whom there may be no row here yet."""

    user_id: int
    role_id: int
    active: bool


_CORE_VALUES = "SELECT text_key, id FROM core_values WHERE text_key = ANY($1::text[]) FOR KEY SHARE"
_ENSURE_MEMBERS = """
INSERT INTO members (user_id, role_id, active, version)
SELECT known.user_id, known.role_id, known.active, 0
FROM unnest($1::bigint[], $2::integer[], $3::boolean[]) AS known (user_id, role_id, active)
WHERE NOT EXISTS (SELECT FROM members AS here WHERE here.user_id = known.user_id)
ORDER BY known.user_id
ON CONFLICT DO NOTHING
"""


async def all_core_values(tx: Connection) -> dict[str, int]:
    """Ids by the key of the text."""
    return {row["text_key"]: row["id"] for row in await tx.fetch("SELECT text_key, id FROM core_values")}


async def hold_core_values(tx: Connection, text_keys: Collection[str]) -> dict[str, int]:
    """Ids by the key of the text; nobody deletes these until the transaction ends."""
    return {row["text_key"]: row["id"] for row in await tx.fetch(_CORE_VALUES, list(text_keys))}


async def ensure_members(tx: Connection, people: Sequence[Colleague]) -> None:
    """Rows at version 0 for people whose event has not arrived."""
    await tx.execute(
        _ENSURE_MEMBERS,
        [person.user_id for person in people],
        [person.role_id for person in people],
        [person.active for person in people],
    )


async def ids_of(tx: Connection, external_ids: Collection[str]) -> dict[str, int]:
    """Ids of imported recognitions by the key that they came with."""
    rows = await tx.fetch(
        "SELECT external_id, id FROM recognitions WHERE external_id = ANY($1::text[])", list(external_ids)
    )
    return {row["external_id"]: row["id"] for row in rows}
