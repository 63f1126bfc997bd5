"""What became of the occurrences of a series: written once, and only read from then on."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import cast

from services.recognition.recurrence import Occurrence
from shared.database import Connection

_MISS = """
INSERT INTO recognition_series_occurrences (series_id, due_on, due_at, given_for, reason)
SELECT $1, due.on_day, due.at, $4, $5 FROM unnest($2::date[], $3::timestamptz[]) AS due (on_day, at)
ON CONFLICT DO NOTHING
"""
_GIVEN = """
INSERT INTO recognition_series_occurrences (series_id, due_on, due_at, given_for, recognition_id)
VALUES ($1, $2, $3, $4, $5)
"""
_HANDLED = """
SELECT given_for FROM recognition_series_occurrences
WHERE org_id = tenant() AND series_id = $1 AND due_on = $2 AND given_for IS NOT NULL
"""
_LAST = """
SELECT due_on AS day, due_at AS at FROM recognition_series_occurrences
WHERE org_id = tenant() AND series_id = $1 AND due_on <= $2
ORDER BY due_on DESC LIMIT 1
"""
_HAS_BEGUN = """
SELECT EXISTS (
    SELECT FROM recognition_series_occurrences WHERE org_id = tenant() AND series_id = $1 AND due_on > $2
)
"""


async def miss(
    tx: Connection, series_id: int, due: Collection[Occurrence], reason: str, given_for: int | None = None
) -> None:
    """Writes down that nothing was given, and why; once for each day and receiver."""
    days, moments = [one.day for one in due], [one.at for one in due]
    await tx.execute(_MISS, series_id, days, moments, given_for, reason)


async def note_given(tx: Connection, series_id: int, due: Occurrence, given_for: int, recognition_id: int) -> None:
    """Raises `UniqueViolationError` where the receiver was given one for that day already."""
    await tx.execute(_GIVEN, series_id, due.day, due.at, given_for, recognition_id)


async def handled(tx: Connection, series_id: int, day: date) -> set[int]:
    """Who was given one for that day, or missed it."""
    return {row["given_for"] for row in await tx.fetch(_HANDLED, series_id, day)}


async def last(tx: Connection, series_id: int, upto: date) -> Occurrence | None:
    """The last one up to that day, itself included, of which something was given or missed."""
    row = await tx.fetchrow(_LAST, series_id, upto)
    return None if row is None else Occurrence(**dict(row))


async def has_begun(tx: Connection, series_id: int, done_on: date) -> bool:
    """Whether something was given or missed of a later day: of its receivers some are left."""
    return cast(bool, await tx.fetchval(_HAS_BEGUN, series_id, done_on))
