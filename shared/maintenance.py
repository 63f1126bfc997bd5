"""Maintenance windows: written by events into each service's own schema, read into memory by every process."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.contracts import Event
from shared.contracts.maintenance import MaintenanceWindowChanged
from shared.database import Connection
from shared.envelope import Received
from shared.errors import Unavailable
from shared.inbox import Handler

HEADER = "Maintenance-Window"
"""A structured field (RFC 9651), a dictionary of epoch seconds: `starts=1795382636, ends=1795386236`."""
TOLD_AHEAD = timedelta(hours=24)

_KEEP = """
INSERT INTO maintenance_windows AS known (id, starts_at, ends_at, message, removed, version)
VALUES ($1, to_timestamp($2), to_timestamp($3), $4, $5, $6)
ON CONFLICT (id) DO UPDATE SET
    starts_at = excluded.starts_at, ends_at = excluded.ends_at, message = excluded.message, removed = excluded.removed,
    version = excluded.version
WHERE known.version < excluded.version
"""
_PLANNED = """
SELECT starts_at, ends_at, message FROM maintenance_windows
WHERE NOT removed AND ends_at > $1 AND starts_at <= $2 ORDER BY starts_at
"""


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which nothing is written, its end not included."""

    starts_at: datetime
    ends_at: datetime
    message: str


class UnderMaintenance(Unavailable):
    """A maintenance window runs; `Retry-After` says when it ends."""

    def __init__(self, window: Window, now: datetime) -> None:
        seconds = math.ceil((window.ends_at - now).total_seconds())
        super().__init__(f"Under maintenance: {window.message}".removesuffix(": "), retry_after=max(1, seconds))


class Maintenance:
    """The windows that run now or begin within the time that answers tell ahead; `clock` is asked on each look."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._windows: tuple[Window, ...] = ()

    async def read(self, connection: Connection) -> None:
        """Takes what the service's table says now."""
        now = self._clock()
        self._windows = tuple(await windows_between(connection, now, now + TOLD_AHEAD + timedelta(minutes=1)))

    def check(self) -> None:
        """Raises `UnderMaintenance` within a window."""
        now = self._clock()
        for window in self._windows:
            if window.starts_at <= now < window.ends_at:
                raise UnderMaintenance(window, now)

    def headers(self) -> dict[str, str]:
        """What an answer says of the running or next window within 24 hours."""
        if not self._windows:
            return {}
        now = self._clock()
        for window in self._windows:
            if now < window.ends_at and window.starts_at <= now + TOLD_AHEAD:
                starts, ends = int(window.starts_at.timestamp()), int(window.ends_at.timestamp())
                return {HEADER: f"starts={starts}, ends={ends}"}
        return {}


async def windows_between(connection: Connection, start: datetime, end: datetime) -> list[Window]:
    """The planned windows that end after `start` and begin by `end`, the earliest first."""
    rows = await connection.fetch(_PLANNED, start, end)
    return [Window(row["starts_at"], row["ends_at"], row["message"]) for row in rows]


async def keep_window(tx: Connection, changed: MaintenanceWindowChanged) -> None:
    """Takes the newer snapshot of a window."""
    await tx.execute(
        _KEEP,
        changed.window_id,
        changed.starts_at,
        changed.ends_at,
        changed.message,
        changed.state == "removed",
        changed.version,
    )


async def window_changed(tx: Connection, received: Received[MaintenanceWindowChanged]) -> None:
    """Keeps a window of auth's telling."""
    await keep_window(tx, received.event)


HANDLERS: dict[type[Event], Handler] = {MaintenanceWindowChanged: window_changed}
"""What every service that answers requests handles of maintenance."""
