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
_LAST_DAY = """
SELECT max(due_on) FROM recognition_series_occurrences WHERE org_id = tenant() AND series_id = $1 AND due_on <= $2
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


async def last_day(tx: Connection, series_id: int, upto: date) -> date | None:
    """The last day up to that one, itself included, of which something was given or missed."""
    return cast("date | None", await tx.fetchval(_LAST_DAY, series_id, upto))
