"""Series of recognitions begin, change and end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

from services.recognition import recurrence
from services.recognition.commands.campaigns import UnknownTeam
from services.recognition.commands.recognitions import ADMINS
from services.recognition.domain import recognitions as domain
from services.recognition.domain.recognitions import INVALID_SERIES, UnknownOrganisation
from services.recognition.recurrence import Schedule
from services.recognition.store import allowances, occurrences, teams
from services.recognition.store import recognitions as people
from services.recognition.store import series as store
from services.recognition.store.series import Plan, Series, Thanks
from shared import members
from shared.database import Connection
from shared.errors import AccessDenied, Conflict, InvalidData, InvalidToken
from shared.identity import Principal

MOST_SERIES = 50
FARTHEST_START = timedelta(days=3660)
CheckVersion = Callable[[int], None]


class TooManySeries(Conflict):
    message = f"Nobody has more than {MOST_SERIES} series"


class BeingGiven(Conflict):
    message = "Some of the team have been thanked, the others are about to be: try again in a moment"


async def begin_series(tx: Connection, owner: Principal, thanks: Thanks, now: datetime) -> Series:
    """Its first occurrence is the first that is still to come.

    Raises `InvalidData`, `UnknownReceiver`, `UnknownTeam`, `UnknownOrganisation`, `Unprocessable`, `InvalidToken` or
    `TooManySeries`.
    """
    await members.ensure_member(tx, owner)
    if not await allowances.lock_member(tx, owner.user_id):
        raise InvalidToken
    if await store.count_series_of(tx, owner.user_id) >= MOST_SERIES:
        raise TooManySeries
    await _check_receivers(tx, owner.user_id, thanks, None)
    planned = await _plan(tx, thanks, now, None)
    if planned is None:
        raise InvalidData(INVALID_SERIES, fields={"ends_at": "Is before the next occurrence."})
    return await store.add_series(tx, owner.user_id, thanks, planned)


async def change_series(
    tx: Connection, present: Series, thanks: Thanks, now: datetime, *, by: Principal, check_version: CheckVersion
) -> Series:
    """Nothing happens when it is so already. What is due from here on follows from the new rule, no day twice.

    Raises `AccessDenied` for anybody but the owner, `BeingGiven`, what `check_version` and what `begin_series` raises.
    """
    if present.given_by != by.user_id:
        raise AccessDenied
    check_version(present.version)
    if thanks == present.thanks:
        return present
    if _course(thanks) != _course(present.thanks) and await occurrences.has_begun(tx, present.id, present.plan.done_on):
        raise BeingGiven
    await _check_receivers(tx, by.user_id, thanks, present.thanks)
    planned = present.plan
    if thanks.schedule != present.thanks.schedule:
        last = await occurrences.last(tx, present.id, present.plan.done_on)
        planned = await _plan(tx, thanks, now, None if last is None else last.day) or Plan(present.plan.done_on, None)
    return await store.change_series(tx, present.id, thanks, planned)


async def end_series(tx: Connection, present: Series, *, by: Principal, check_version: CheckVersion) -> None:
    """What it gave stays. Raises `AccessDenied` for all but the owner and admins, and what `check_version` raises."""
    if present.given_by != by.user_id and by.role_id not in ADMINS:
        raise AccessDenied
    check_version(present.version)
    await store.delete_series(tx, present.id)


async def _check_receivers(tx: Connection, owner: int, thanks: Thanks, present: Thanks | None) -> None:
    """Whoever is named anew must be there; who has left since may stay named."""
    if (thanks.given_for is None) == (thanks.team_id is None):
        raise InvalidData(INVALID_SERIES, fields={"given_for": "Name either given_for or team_id."})
    if thanks.given_for is not None and (present is None or _aim(thanks) != _aim(present)):
        around = await people.surroundings(tx, owner, thanks.given_for, thanks.core_value_id)
        domain.check_recognition(owner, thanks.given_for, around, INVALID_SERIES)
    named_anew = thanks.team_id if present is None or thanks.team_id != present.team_id else None
    if named_anew is not None and not await teams.present_teams(tx, [named_anew]):
        raise UnknownTeam(INVALID_SERIES, fields={"team_id": "No such team."})


def _course(thanks: Thanks) -> tuple[Schedule, int | None, int | None]:
    return thanks.schedule, thanks.given_for, thanks.team_id


def _aim(thanks: Thanks) -> tuple[int | None, int]:
    return thanks.given_for, thanks.core_value_id


async def _plan(tx: Connection, thanks: Thanks, now: datetime, done_on: date | None) -> Plan | None:
    """None where nothing is due any more."""
    organisation = await store.organisation(tx)
    if organisation is None:
        raise UnknownOrganisation
    _check_times(thanks, now)
    without_end = recurrence.Schedule(thanks.recurrence, thanks.starts_at, None)
    if recurrence.following(without_end, organisation.zone, done_on, now) is None:
        raise InvalidData(INVALID_SERIES, fields={"recurrence": "Has no occurrence within ten years."})
    coming = recurrence.following(thanks.schedule, organisation.zone, done_on, now)
    return None if coming is None else Plan(coming.day - recurrence.A_DAY, coming.at)


def _check_times(thanks: Thanks, now: datetime) -> None:
    wrong: dict[str, str] = {}
    if thanks.starts_at > now + FARTHEST_START:
        wrong["starts_at"] = "Must be within ten years."
    if thanks.ends_at is not None and thanks.ends_at <= thanks.starts_at:
        wrong["ends_at"] = "Must be after starts_at."
    if wrong:
        raise InvalidData(INVALID_SERIES, fields=wrong)
