"""What a policy is made of, and how an allowance's events become entries of the ledger. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto
from itertools import accumulate
from typing import Literal

from shared.contracts.auth import Frequency
from shared.contracts.recognition import Allowance
from shared.periods import Calendar, Window, change

Movement = Literal["spend", "refund"]
Obstacle = Literal["not_a_member", "inactive", "policy_unknown", "past", "nothing_left", "maintenance"]
Kind = Literal["grant", "spend", "refund", "adjustment", "reduction", "correction"]


class TotalsDiffer(Exception):
    """An event's totals are not what the ledger comes to: something was lost or forged, so nothing is booked."""


@dataclass(frozen=True, slots=True)
class Settings:
    """One version of an organisation's settings."""

    version: int
    hi5_limit: int
    frequency: Frequency
    timezone: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Policy:
    version: int
    hi5_limit: int
    calendars: tuple[Calendar, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    granted: int
    spent: int
    refunded: int

    @property
    def net(self) -> int:
        return self.spent - self.refunded

    @classmethod
    def of(cls, allowance: Allowance) -> Totals:
        return cls(allowance.granted, allowance.spent_total, allowance.refunded_total)


@dataclass(frozen=True, slots=True)
class Book:
    """What the ledger knows of an allowance; times are epoch seconds."""

    seq: int
    epoch: int
    starts_at: int
    ends_at: int
    totals: Totals


@dataclass(frozen=True, slots=True)
class Adjustment:
    id: int
    amount: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the ledger: how much it moves `available` and `spent`; `line` is an adjustment's number."""

    kind: Kind
    available: int
    spent: int = 0
    line: int | None = None


class Place(Enum):
    """Where an event stands in the history of its allowance."""

    NEXT = auto()
    KNOWN = auto()
    EARLY = auto()


def left(target: int, net: int) -> int:
    """What may still be spent of a limit with its adjustments."""
    return max(0, target - net)


@dataclass(frozen=True, slots=True)
class Means:
    """What a person may spend: `balance` until the running period's end, `limit` in every later one."""

    balance: int
    limit: int
    resets_at: datetime


def obstacles(asked: Window, means: Means, closed: Sequence[Window]) -> list[Obstacle]:
    """Why there is no moment of a time, its end included, at which a hi5 can be given; `closed` is in order."""
    parts = [Window(asked.start, min(asked.end, means.resets_at))] if means.balance else []
    if means.limit and asked.end >= means.resets_at:
        parts.append(Window(max(asked.start, means.resets_at), asked.end))
    if any(not _covers(closed, part) for part in parts):
        return []
    missing: list[Obstacle] = [] if means.balance else ["nothing_left"]
    return [*missing, "maintenance"] if parts else missing


def _covers(closed: Sequence[Window], part: Window) -> bool:
    """Whether windows, which do not hold their ends, cover a time that holds its own."""
    reached = part.start
    for window in closed:
        if window.start <= reached < window.end:
            reached = window.end
    return reached > part.end


def policy_of(history: Iterable[Settings]) -> Policy:
    """The policy that an organisation's settings come to, in the order of their versions.

    Its version is the number of the settings known: it grows with each, in whatever order they arrive.
    """
    ordered = sorted(history, key=lambda settings: settings.version)
    calendars: tuple[Calendar, ...] = ()
    for settings, moment in zip(ordered, accumulate((one.changed_at for one in ordered), max), strict=True):
        calendars = change(calendars, moment, settings.frequency, settings.timezone)
    return Policy(len(ordered), ordered[-1].hi5_limit, calendars)


def place(book: Book | None, allowance: Allowance, *, outlived: bool) -> Place:
    """Decides by seq within an epoch; the first event of a newer epoch is always next.

    `outlived`: another allowance, of a newer epoch, covers the same time.
    """
    if outlived or (book is not None and allowance.epoch < book.epoch):
        return Place.KNOWN
    if book is None:
        return Place.NEXT if allowance.seq == 1 else Place.EARLY
    if allowance.epoch > book.epoch:
        return Place.NEXT
    if allowance.seq <= book.seq:
        return Place.KNOWN
    return Place.NEXT if allowance.seq == book.seq + 1 else Place.EARLY


def retired(totals: Totals) -> list[Entry]:
    """Takes back what an allowance holds that no longer exists."""
    return [Entry("correction", totals.net - totals.granted, -totals.net)] if totals.granted else []


def restated(before: Totals | None, after: Totals) -> list[Entry]:
    """What leads from the book to the state that a restored recognition has."""
    old = before or Totals(0, 0, 0)
    moved = after.net - old.net
    return [Entry("correction", after.granted - old.granted - moved, moved)] if old != after else []


def entries(book: Book | None, allowance: Allowance, movement: Movement, unposted: Sequence[Adjustment]) -> list[Entry]:
    """The entries of the next event, in an order in which nothing falls below zero. Raises `TotalsDiffer`.

    `unposted` are the adjustments of the window that recognition has taken into account and the ledger has not.
    """
    before, corrections = _as_before(book, allowance, movement)
    _verify(before, allowance, movement)
    return corrections + _moves(before, allowance, movement, unposted)


def _moves(
    before: Book | None, allowance: Allowance, movement: Movement, unposted: Sequence[Adjustment]
) -> list[Entry]:
    granted = 0 if before is None else before.totals.granted
    rest = allowance.granted - granted - sum(adjustment.amount for adjustment in unposted)
    kind: Kind = "grant" if rest > 0 else "reduction"
    changes = [Entry("adjustment", adjustment.amount, line=adjustment.id) for adjustment in unposted]
    changes += [Entry(kind, rest)] if rest else []
    changes.sort(key=lambda entry: entry.available < 0)
    if movement == "refund":
        return [Entry("refund", 1, -1), *changes]
    return [*changes, Entry("spend", -1, 1)]


def _as_before(book: Book | None, allowance: Allowance, movement: Movement) -> tuple[Book | None, list[Entry]]:
    """The book just before the event, and the correction that leads there when a new epoch begins with it."""
    if book is None or allowance.epoch == book.epoch:
        return book, []
    spent, refunded = allowance.spent_total, allowance.refunded_total
    spent, refunded = (spent - 1, refunded) if movement == "spend" else (spent, refunded - 1)
    if min(spent, refunded, spent - refunded) < 0:
        raise TotalsDiffer(f"allowance {allowance.id} seq {allowance.seq} moved more than its totals hold")
    before = Totals(max(book.totals.granted, spent - refunded), spent, refunded)
    moved, raised = before.net - book.totals.net, before.granted - book.totals.granted
    corrected = Book(allowance.seq - 1, allowance.epoch, allowance.starts_at, allowance.ends_at, before)
    return corrected, [Entry("correction", raised - moved, moved)] if before != book.totals else []


def _verify(book: Book | None, allowance: Allowance, movement: Movement) -> None:
    """Compares an event's totals with what the ledger comes to (R4)."""
    after, name = Totals.of(allowance), f"allowance {allowance.id} seq {allowance.seq}"
    want = _one_more(Totals(0, 0, 0) if book is None else book.totals, movement)
    if (after.spent, after.refunded) != want:
        raise TotalsDiffer(
            f"{name} says {after.spent} spent and {after.refunded} refunded,"
            f" the ledger comes to {want[0]} and {want[1]}"
        )
    if not 0 <= after.net <= after.granted:
        raise TotalsDiffer(f"{name} spends {after.net} of {after.granted} granted")
    if book is not None and (allowance.starts_at, allowance.ends_at) != (book.starts_at, book.ends_at):
        raise TotalsDiffer(f"{name} has another window than the allowance had before")


def _one_more(before: Totals, movement: Movement) -> tuple[int, int]:
    return (before.spent + 1, before.refunded) if movement == "spend" else (before.spent, before.refunded + 1)
