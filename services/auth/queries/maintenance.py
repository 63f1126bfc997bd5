"""Maintenance windows as everybody sees them."""

from __future__ import annotations

from datetime import datetime

from services.auth.queries.people import Document
from shared.database import Connection
from shared.http import Raw

_ALL = """
SELECT
    count(*) AS number,
    coalesce(json_agg(maintenance_window_document(planned) ORDER BY starts_at)::text, '[]') AS rows
FROM maintenance_windows AS planned WHERE NOT removed AND ends_at > $1
"""
_ONE = """
SELECT version, maintenance_window_document(planned)::text AS document
FROM maintenance_windows AS planned WHERE id = $1 AND NOT removed
"""


async def list_windows(tx: Connection, now: datetime) -> tuple[Raw, int]:
    """The windows that are not over, the earliest first, and their number."""
    row = await tx.fetchrow(_ALL, now)
    return (Raw("[]"), 0) if row is None else (Raw(row["rows"]), row["number"])


async def maintenance_window(tx: Connection, window_id: int) -> Document | None:
    row = await tx.fetchrow(_ONE, window_id)
    return None if row is None else Document(Raw(row["document"]), row["version"])
