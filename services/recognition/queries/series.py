"""The occurrences of a series as clients see them."""

from __future__ import annotations

from services.recognition.queries.rows import Rows
from shared.database import Connection
from shared.http import Page, Raw, decode_cursor, encode_cursor

_WAS_THERE = """
SELECT
    EXISTS (SELECT FROM recognition_series WHERE org_id = tenant() AND id = $1)
    OR EXISTS (SELECT FROM recognition_series_occurrences WHERE org_id = tenant() AND series_id = $1)
"""
_COUNT = "SELECT count(*) FROM recognition_series_occurrences WHERE org_id = tenant() AND series_id = $1"
_PAGE = """
SELECT
    id,
    json_build_object(
        'id', id, 'due_at', epoch_seconds(due_at),
        'outcome', CASE WHEN recognition_id IS NULL THEN 'missed' ELSE 'given' END,
        'given_for', given_for, 'recognition_id', recognition_id, 'reason', reason,
        'handled_at', epoch_seconds(handled_at)
    )::text AS document
FROM recognition_series_occurrences
WHERE org_id = tenant() AND series_id = $1 AND ($2::bigint IS NULL OR id < $2)
ORDER BY id DESC OFFSET $3 LIMIT $4
"""


async def occurrences(tx: Connection, series_id: int, page: Page) -> Rows | None:
    """A page of them, the last one first; None where there is no such series, nor occurrences of one that ended."""
    if not await tx.fetchval(_WAS_THERE, series_id):
        return None
    before = decode_cursor(page.cursor, 1)[0] if page.cursor else None
    total = await tx.fetchval(_COUNT, series_id) if page.with_total else None
    rows = await tx.fetch(_PAGE, series_id, before, page.offset, page.limit + 1)
    shown = rows[: page.limit]
    following = encode_cursor(shown[-1]["id"]) if len(rows) > page.limit else None
    return Rows(Raw("[" + ",".join(row["document"] for row in shown) + "]"), total, following)
