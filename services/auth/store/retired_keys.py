"""Rows of signing keys that leaked."""

from __future__ import annotations

from datetime import datetime

from shared.database import Connection


async def add_retired_key(tx: Connection, kid: str, now: datetime, forgotten_before: datetime) -> None:
    """What it signed has ended now; those of which nothing can be valid by their own end are forgotten."""
    await tx.execute("DELETE FROM retired_keys WHERE retired_at < $1", forgotten_before)
    await tx.execute("INSERT INTO retired_keys (kid, retired_at) VALUES ($1, $2)", kid, now)
