"""Rows of recognitions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, NamedTuple, cast

import asyncpg

from services.recognition.domain.recognitions import INVALID_RECOGNITION, Standing, Surroundings
from shared.database import Connection
from shared.errors import InvalidData

Step = Literal["applied", "known", "early", "unknown", "lost"]


class Given(NamedTuple):
    """A recognition that was written down."""

    id: int
    given_at: datetime


class Imported(NamedTuple):
    """A recognition from before; `external_id` keeps it from being taken twice."""

    external_id: str
    given_by: int
    given_for: int
    core_value_id: int
    text: str
    given_at: datetime


class TakenBack(NamedTuple):
    """When it was taken back, and its last version."""

    at: datetime
    version: int


_LOCK = """
SELECT given_by, text, hidden, version, clock_timestamp() - given_at AS age
FROM recognitions WHERE id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE
"""
_CHANGE = "UPDATE recognitions SET text = $2, version = version + 1 WHERE id = $1 RETURNING version"
_TAKE_BACK = "SELECT taken_at AS at, now_version AS version FROM take_back($1, $2)"
_SURROUNDINGS = """
SELECT
    (SELECT active FROM members WHERE user_id = $1) AS giver_active,
    (SELECT active FROM members WHERE user_id = $2) AS receiver_active,
    EXISTS (SELECT FROM core_values WHERE id = $3) AS core_value_exists,
    (SELECT recognition_hi5_cost FROM organisations) AS cost
"""
_ADD = """
INSERT INTO recognitions (given_by, given_for, core_value_id, text) VALUES ($1, $2, $3, $4) RETURNING id, given_at
"""
_IMPORT = """
INSERT INTO recognitions (external_id, given_by, given_for, core_value_id, text, given_at, imported)
SELECT external_id, given_by, given_for, core_value_id, text, given_at, true
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::timestamptz[])
    AS old (external_id, given_by, given_for, core_value_id, text, given_at)
ON CONFLICT (org_id, external_id) DO NOTHING
RETURNING id, external_id
"""


async def surroundings(tx: Connection, given_by: int, given_for: int, core_value_id: int) -> Surroundings:
    row = cast(asyncpg.Record, await tx.fetchrow(_SURROUNDINGS, given_by, given_for, core_value_id))
    return Surroundings(**dict(row))


async def add(tx: Connection, given_by: int, given_for: int, core_value_id: int, text: str) -> Given:
    """Raises `InvalidData` when the core value went away in this moment."""
    try:
        row = await tx.fetchrow(_ADD, given_by, given_for, core_value_id, text)
    except asyncpg.ForeignKeyViolationError:
        raise InvalidData(INVALID_RECOGNITION, fields={"core_value_id": "No such core value."}) from None
    return Given(**dict(cast(asyncpg.Record, row)))


async def add_imported(tx: Connection, rows: Sequence[Imported]) -> dict[str, int]:
    """Ids of the new ones by external id; those that are here already are left as they are."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    return {row["external_id"]: row["id"] for row in await tx.fetch(_IMPORT, *columns)}


async def lock(tx: Connection, recognition_id: int) -> Standing | None:
    """A recognition that nobody else changes until the transaction ends; None where there is none any more."""
    row = await tx.fetchrow(_LOCK, recognition_id)
    return None if row is None else Standing(**dict(row))


async def change_text(tx: Connection, recognition_id: int, text: str) -> int:
    """Its new version."""
    return cast(int, await tx.fetchval(_CHANGE, recognition_id, text))


async def take_back(tx: Connection, recognition_id: int, remover: int) -> TakenBack:
    """Deletes a recognition that is there; see `take_back` in the migrations."""
    row = await tx.fetchrow(_TAKE_BACK, recognition_id, remover)
    return TakenBack(**dict(cast(asyncpg.Record, row)))


async def moderate(tx: Connection, recognition_id: int, step: int, *, hide: bool) -> Step:
    """Hides or shows a recognition again if this is its next step; tells what was found.

    Whoever speaks of a recognition has heard of it from here: when its number was given and it is not here, it is lost.
    """
    found = cast(Step, await tx.fetchval("SELECT moderate($1, $2, $3)", recognition_id, hide, step))
    if found == "unknown" and await tx.fetchval("SELECT was_given($1)", recognition_id):
        return "lost"
    return found
