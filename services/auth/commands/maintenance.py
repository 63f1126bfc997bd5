"""Maintenance windows are planned, moved and removed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.auth.store import maintenance as rows
from services.auth.store.maintenance import PlannedWindow
from shared import outbox
from shared.contracts.maintenance import MaintenanceWindowChanged
from shared.database import Connection
from shared.errors import Conflict, InvalidData
from shared.maintenance import keep_window

INVALID = "Invalid maintenance window data"
MOST_PLANNED = 100
LONGEST_SECONDS = 30 * 86_400
FURTHEST_SECONDS = 5 * 366 * 86_400


@dataclass(frozen=True, slots=True)
class Plan:
    """What a window is to be, in epoch seconds."""

    starts_at: int
    ends_at: int
    message: str

    def check(self, now: datetime) -> None:
        """Raises `InvalidData` for a time that is over, turned round, too long or too far away."""
        moment = int(now.timestamp())
        wrong: dict[str, str] = {}
        if self.starts_at > moment + FURTHEST_SECONDS:
            wrong["starts_at"] = "Is more than five years away."
        if self.ends_at <= self.starts_at:
            wrong["ends_at"] = "Must be after starts_at."
        elif self.ends_at <= moment:
            wrong["ends_at"] = "Is over already."
        elif self.ends_at - self.starts_at > LONGEST_SECONDS:
            wrong["ends_at"] = "A window lasts 30 days at most."
        if wrong:
            raise InvalidData(INVALID, fields=wrong)


class Overlaps(Conflict):
    """There is one window at a time."""

    def __init__(self, other: PlannedWindow) -> None:
        super().__init__(
            "Another maintenance window is planned for a part of this time",
            fields={"starts_at": f"Overlaps window {other.id}."},
        )


async def plan_window(tx: Connection, plan: Plan, now: datetime) -> tuple[int, UUID]:
    """A new window's id, and its event's. Raises `InvalidData` and `Conflict`."""
    plan.check(now)
    await rows.lock_windows(tx)
    if await rows.count_planned(tx, now) >= MOST_PLANNED:
        raise Conflict(f"At most {MOST_PLANNED} maintenance windows are planned at once")
    await _check_free(tx, plan, now, but=0)
    window_id = await rows.next_window_id(tx)
    return window_id, await _keep(tx, _planned(window_id, plan, 1))


async def move_window(tx: Connection, present: PlannedWindow, plan: Plan, now: datetime) -> UUID:
    """Sets its times and message. Raises `InvalidData` and `Conflict`."""
    if present.ends_at <= now:
        raise Conflict("This maintenance window is over")
    plan.check(now)
    await _check_free(tx, plan, now, but=present.id)
    return await _keep(tx, _planned(present.id, plan, present.version + 1))


async def remove_window(tx: Connection, present: PlannedWindow) -> UUID:
    """Ends it, or it never begins."""
    return await _keep(tx, present.snapshot("removed", version=present.version + 1))


async def _check_free(tx: Connection, plan: Plan, now: datetime, but: int) -> None:
    other = await rows.overlapping(tx, plan.starts_at, plan.ends_at, now, but)
    if other is not None:
        raise Overlaps(other)


def _planned(window_id: int, plan: Plan, version: int) -> MaintenanceWindowChanged:
    return MaintenanceWindowChanged(
        window_id=window_id,
        starts_at=plan.starts_at,
        ends_at=plan.ends_at,
        message=plan.message,
        state="planned",
        version=version,
    )


async def _keep(tx: Connection, changed: MaintenanceWindowChanged) -> UUID:
    await keep_window(tx, changed)
    [event_id] = await outbox.append(tx, changed)
    return event_id
