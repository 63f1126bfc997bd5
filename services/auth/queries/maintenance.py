"""Maintenance windows as everybody sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from services.auth.queries.people import Document
from shared.database import Connection
from shared.http import Raw

_ALL = """
SELECT maintenance_window_document(planned)::text AS document
FROM maintenance_windows AS planned WHERE NOT removed AND ends_at > $1 ORDER BY starts_at, id
"""
_ONE = """
SELECT version, maintenance_window_document(planned)::text AS document
FROM maintenance_windows AS planned WHERE id = $1 AND NOT removed
"""


async def list_windows(tx: Connection, now: datetime) -> list[dict[str, Any]]:
    """The windows that are not over, the earliest first."""
    return [orjson.loads(row["document"]) for row in await tx.fetch(_ALL, now)]


async def maintenance_window(tx: Connection, window_id: int) -> Document | None:
    row = await tx.fetchrow(_ONE, window_id)
    return None if row is None else Document(Raw(row["document"]), row["version"])
