"""Campaigns begin, change and end."""

from __future__ import annotations

from services.recognition.store import campaigns as store
from services.recognition.store import teams
from services.recognition.store.campaigns import Campaign, Drive
from shared.database import Connection
from shared.errors import InvalidData

INVALID = "Invalid campaign data"


class UnknownTeam(InvalidData):
    """Not a team as far as is known here: the event may be on its way."""


async def begin_campaign(tx: Connection, drive: Drive) -> Campaign:
    """Raises `InvalidData`, `UnknownTeam`."""
    await _check(tx, drive, None)
    return await store.add_campaign(tx, drive)


async def change_campaign(tx: Connection, present: Campaign, drive: Drive) -> Campaign:
    """Nothing happens when it is so already; a team that it had stays though it has been removed.

    Raises `InvalidData`, `UnknownTeam`.
    """
    if drive == present.drive:
        return present
    await _check(tx, drive, present.drive)
    return await store.change_campaign(tx, present.id, drive)


async def _check(tx: Connection, drive: Drive, present: Drive | None) -> None:
    wrong: dict[str, str] = {}
    if drive.ends_at <= drive.starts_at:
        wrong["ends_at"] = "Must be after starts_at."
    if not (await store.hold_core_values(tx, drive.core_value_ids)).issuperset(drive.core_value_ids):
        wrong["core_value_ids"] = "No such core value."
    named = set(drive.team_ids) - set(present.team_ids if present else ())
    if named and not (await teams.present_teams(tx, named)).issuperset(named):
        raise (InvalidData if wrong else UnknownTeam)(INVALID, fields={**wrong, "team_ids": "No such team."})
    if wrong:
        raise InvalidData(INVALID, fields=wrong)
