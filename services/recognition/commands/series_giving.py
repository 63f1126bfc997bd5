"""What is due of a series is given, once, or missed for a reason."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from services.recognition import recurrence
from services.recognition.commands import allowances
from services.recognition.commands import recognitions as commands
from services.recognition.commands.recognitions import GiveRecognition
from services.recognition.recurrence import Occurrence
from services.recognition.store import occurrences
from services.recognition.store import series as store
from services.recognition.store.recognitions import Given
from services.recognition.store.series import Organisation, Plan, Series
from shared.database import Connection
from shared.errors import InsufficientBalance, InvalidData, InvalidToken

AT_ONCE = 25
"""Receivers of a team in one transaction: the giver's allowance is locked so long."""
LATE = "late"
"""A later occurrence was due as well when somebody looked."""
ORGANISATION_INACTIVE = "organisation_inactive"
OWNER_LEFT = "owner_left"
RECEIVER_LEFT = "receiver_left"
TEAM_REMOVED = "team_removed"
TEAM_EMPTY = "team_empty"
INSUFFICIENT_BALANCE = "insufficient_balance"
REASONS = (
    LATE, ORGANISATION_INACTIVE, OWNER_LEFT, RECEIVER_LEFT, TEAM_REMOVED, TEAM_EMPTY, INSUFFICIENT_BALANCE,
)  # fmt: skip


class NotKnownYet(Exception):
    """What the organisation, its people, teams or quota are has not arrived here: nothing is decided without it."""


async def continue_series(tx: Connection, series_id: int, now: datetime) -> bool:
    """Gives the last occurrence that is due, to some of its receivers, and writes down that earlier ones were missed.

    False where there is nothing to do, or another process does it. Raises `NotKnownYet`.
    """
    series = await store.claim_series(tx, series_id, now)
    if series is None:
        return False
    organisation = await store.organisation(tx)
    if organisation is None:
        raise NotKnownYet
    done_on = series.plan.done_on
    due = await _due(tx, series, organisation, now)
    if due:
        await occurrences.miss(tx, series.id, due[:-1], LATE)
        if not await _handle(tx, series, due[-1], organisation):
            await store.plan_series(tx, series.id, Plan(min(done_on, _day_before(due[-1])), series.plan.look_at))
            return True
        done_on = due[-1].day
    await store.plan_series(tx, series.id, await _next(tx, series, organisation, done_on, now))
    return True


async def _due(tx: Connection, series: Series, organisation: Organisation, now: datetime) -> list[Occurrence]:
    """A new time zone may call what is due by a day that counts as done, and what was handled by one that does not."""
    done_on, since = series.plan.done_on, series.plan.look_at or now
    last = await occurrences.last(tx, series.id, done_on)
    come = recurrence.due(series.thanks.schedule, organisation.zone, last.day if last else date.min, now)
    return [one for one in come if (one.day > done_on or one.at >= since) and (last is None or one.at > last.at)]


async def _next(tx: Connection, series: Series, organisation: Organisation, done_on: date, now: datetime) -> Plan:
    """A new time zone may call the next occurrence by a day that counts as done though nothing was due on it."""
    last = await occurrences.last(tx, series.id, done_on)
    coming = recurrence.following(series.thanks.schedule, organisation.zone, None if last is None else last.day, now)
    return Plan(done_on, None) if coming is None else Plan(min(done_on, _day_before(coming)), coming.at)


def _day_before(occurrence: Occurrence) -> date:
    return occurrence.day - recurrence.A_DAY


async def _handle(tx: Connection, series: Series, due: Occurrence, organisation: Organisation) -> bool:
    """Whether nobody is left who is to receive something."""
    reason, receivers = await _receivers(tx, series, organisation)
    if reason is not None:
        await occurrences.miss(tx, series.id, [due], reason)
        return True
    handled = await occurrences.handled(tx, series.id, due.day)
    left = [one for one in receivers if one not in handled]
    if left and organisation.cost and not await allowances.open_allowance_of(tx, series.given_by):
        raise NotKnownYet
    for receiver in left[:AT_ONCE]:
        await _give(tx, series, due, receiver)
    return len(left) <= AT_ONCE


async def _receivers(tx: Connection, series: Series, organisation: Organisation) -> tuple[str | None, Sequence[int]]:
    """Why nobody receives anything, or who does."""
    thanks = series.thanks
    if not organisation.active:
        return ORGANISATION_INACTIVE, ()
    people = {series.given_by, thanks.given_for or series.given_by}
    active = await store.are_active(tx, people)
    if len(active) < len(people):
        raise NotKnownYet
    if not active[series.given_by]:
        return OWNER_LEFT, ()
    if thanks.given_for is not None:
        return (None if active[thanks.given_for] else RECEIVER_LEFT), [thanks.given_for]
    team = await store.team(tx, thanks.team_id or 0)
    if team is None:
        raise NotKnownYet
    if team.removed:
        return TEAM_REMOVED, ()
    others = [one for one in team.member_ids if one != series.given_by]
    return (None if others else TEAM_EMPTY), others


async def _give(tx: Connection, series: Series, due: Occurrence, receiver: int) -> None:
    given = await _given_or_why_not(tx, series, receiver)
    if isinstance(given, str):
        await occurrences.miss(tx, series.id, [due], given, receiver)
    else:
        await occurrences.note_given(tx, series.id, due, receiver, given.id)


async def _given_or_why_not(tx: Connection, series: Series, receiver: int) -> Given | str:
    ask = GiveRecognition(given_for=receiver, core_value_id=series.thanks.core_value_id, text=series.thanks.text)
    await tx.execute("SAVEPOINT giving")
    try:
        given = await commands.give_in_name_of(tx, series.given_by, ask)
    except (InsufficientBalance, InvalidToken, InvalidData) as refusal:
        await tx.execute("ROLLBACK TO SAVEPOINT giving")
        return next(reason for kind, reason in _WHY.items() if isinstance(refusal, kind))
    await tx.execute("RELEASE SAVEPOINT giving")
    return given


_WHY: dict[type[Exception], str] = {
    InsufficientBalance: INSUFFICIENT_BALANCE,
    InvalidToken: OWNER_LEFT,
    InvalidData: RECEIVER_LEFT,
}
