"""A time cut into whole years, months and days of UTC, for which there are sums, and what is left at its ends. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, NamedTuple

Span = Literal["day", "month", "year"]
FIRST_DAY, LAST_DAY = date(1, 1, 1), date(9999, 1, 1)
"""Where a time without begin or end is cut: nothing was given before or will be after."""


class Window(NamedTuple):
    """From `since` up to, but without, `until`; None is open."""

    since: datetime | None
    until: datetime | None

    def within(self, other: Window) -> Window | None:
        """What both have in common; None where that is nothing."""
        sinces = [one for one in (self.since, other.since) if one is not None]
        untils = [one for one in (self.until, other.until) if one is not None]
        both = Window(max(sinces, default=None), min(untils, default=None))
        is_empty = both.since is not None and both.until is not None and both.since >= both.until
        return None if is_empty else both


class Part(NamedTuple):
    """The spans of one kind that start from `first` up to, but without, `last`."""

    span: Span
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Tiling:
    """Parts that follow each other, and the edges before and after them: each moment of the time is in exactly one."""

    parts: tuple[Part, ...]
    edges: tuple[tuple[datetime, datetime], ...]

    @property
    def whole_days(self) -> tuple[date, date]:
        """From where up to where the parts reach."""
        return (self.parts[0].first, self.parts[-1].last) if self.parts else (FIRST_DAY, FIRST_DAY)


def tile(window: Window) -> Tiling:
    """The fewest sums that make up a time."""
    window = Window(_not_too_late(window.since), _not_too_late(window.until))
    first = FIRST_DAY if window.since is None else _day_from(window.since)
    last = LAST_DAY if window.until is None else window.until.astimezone(UTC).date()
    if first >= last:
        since, until = window.since or _midnight(FIRST_DAY), window.until or _midnight(LAST_DAY)
        return Tiling((), ((since, until),) if since < until else ())
    edges = []
    if window.since is not None and window.since < _midnight(first):
        edges.append((window.since, _midnight(first)))
    if window.until is not None and _midnight(last) < window.until:
        edges.append((_midnight(last), window.until))
    return Tiling(tuple(_days(first, last)), tuple(edges))


def _not_too_late(moment: datetime | None) -> datetime | None:
    return None if moment is None else min(moment, _midnight(LAST_DAY))


def _days(first: date, last: date) -> Iterator[Part]:
    from_month, to_month = _month_from(first), last.replace(day=1)
    if from_month >= to_month:
        yield from _part("day", first, last)
        return
    yield from _part("day", first, from_month)
    yield from _months(from_month, to_month)
    yield from _part("day", to_month, last)


def _months(first: date, last: date) -> Iterator[Part]:
    from_year = first if first.month == 1 else date(first.year + 1, 1, 1)
    to_year = last.replace(month=1)
    if from_year >= to_year:
        yield from _part("month", first, last)
        return
    yield from _part("month", first, from_year)
    yield Part("year", from_year, to_year)
    yield from _part("month", to_year, last)


def _part(span: Span, first: date, last: date) -> Iterator[Part]:
    if first < last:
        yield Part(span, first, last)


def _month_from(day: date) -> date:
    """The first of the month that begins on this day or after it."""
    if day.day == 1:
        return day
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def _day_from(moment: datetime) -> date:
    """The first day that begins at this moment or after it."""
    day = moment.astimezone(UTC).date()
    return day if _midnight(day) == moment else day + timedelta(days=1)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
