"""Rows of maintenance windows, one change at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from shared.contracts.maintenance import MaintenanceState, MaintenanceWindowChanged
from shared.database import Connection

_OVERLAPPING = """
SELECT * FROM maintenance_windows
WHERE NOT removed AND starts_at < to_timestamp($2) AND ends_at > greatest(to_timestamp($1), $3) AND id <> $4
ORDER BY starts_at LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class PlannedWindow:
    """A window that was not removed."""

    id: int
    starts_at: datetime
    ends_at: datetime
    message: str
    version: int

    def snapshot(self, state: MaintenanceState = "planned", *, version: int | None = None) -> MaintenanceWindowChanged:
        """The event that tells of it."""
        return MaintenanceWindowChanged(
            window_id=self.id,
            starts_at=int(self.starts_at.timestamp()),
            ends_at=int(self.ends_at.timestamp()),
            message=self.message,
            state=state,
            version=version or self.version,
        )


async def lock_windows(tx: Connection) -> None:
    """Until the transaction's end nobody else plans."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('maintenance_windows', 0))")


async def next_window_id(tx: Connection) -> int:
    number: int = await tx.fetchval("SELECT nextval('maintenance_window_ids')")
    return number


async def find_window(tx: Connection, window_id: int) -> PlannedWindow | None:
    row = await tx.fetchrow("SELECT * FROM maintenance_windows WHERE id = $1 AND NOT removed", window_id)
    return None if row is None else _window(row)


async def overlapping(tx: Connection, starts_at: int, ends_at: int, now: datetime, but: int) -> PlannedWindow | None:
    """The earliest window that is not over and shares a moment with this time."""
    row = await tx.fetchrow(_OVERLAPPING, starts_at, ends_at, now, but)
    return None if row is None else _window(row)


async def count_planned(tx: Connection, now: datetime) -> int:
    """How many windows are not over."""
    query = "SELECT count(*) FROM maintenance_windows WHERE NOT removed AND ends_at > $1"
    number: int = await tx.fetchval(query, now)
    return number


def _window(row: Record) -> PlannedWindow:
    return PlannedWindow(row["id"], row["starts_at"], row["ends_at"], row["message"], row["version"])
