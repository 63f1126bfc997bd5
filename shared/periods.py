"""When a user's hi5s run out and start anew: windows of calendars in an organisation's time zone. Pure.

A calendar is a frequency in a time zone, in force from a moment on. Its windows follow each other without gap or
overlap: each ends where the next starts, at the first instant of a local day. A change of frequency or time zone
holds from the end of the running window, so that windows of two calendars do not overlap either.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from typing import Any, Self
from zoneinfo import ZoneInfo, available_timezones

from shared.contracts import quota
from shared.contracts.auth import Frequency

_MONTHS_OF = {"MONTHLY": 1, "QUARTERLY": 3}
_DAYS_OF = {"DAILY": 1, "WEEKLY": 7}
_NOT_PLACES = frozenset({"Factory", "localtime"})
"""Names that are found beside the IANA zones: the clock of whichever machine computes, and no clock at all."""


class UnknownTimezone(ValueError):
    """A name that is not in the IANA time zone database, such as "Europe/Atlantis"."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} is not a time zone; use an IANA name such as Europe/Berlin")


class NoCalendar(ValueError):
    """Windows were asked of an organisation that has no calendar."""

    def __init__(self) -> None:
        super().__init__("An organisation needs a calendar before a period can be found")


@dataclass(frozen=True, slots=True)
class Window:
    """The time from `start` up to, but without, `end`; both in UTC."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


@dataclass(frozen=True, slots=True)
class Calendar:
    """From `since` on, windows follow this frequency in this time zone."""

    since: datetime
    frequency: Frequency
    timezone: str

    @classmethod
    def of(cls, fact: quota.Calendar) -> Self:
        """The calendar as an event carries it."""
        return cls(datetime.fromtimestamp(fact.since, UTC), fact.frequency, fact.timezone)

    @classmethod
    def of_json(cls, value: Mapping[str, Any]) -> Self:
        """The calendar as jsonb keeps it, `{from, frequency, timezone}`: the same names as in the event's JSON."""
        return cls(datetime.fromtimestamp(value["from"], UTC), value["frequency"], value["timezone"])

    def fact(self) -> quota.Calendar:
        """The calendar for an event."""
        return quota.Calendar(since=int(self.since.timestamp()), frequency=self.frequency, timezone=self.timezone)

    def json(self) -> dict[str, Any]:
        """The calendar for jsonb."""
        return {"from": int(self.since.timestamp()), "frequency": self.frequency, "timezone": self.timezone}


def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name; raises `UnknownTimezone`."""
    if name not in _zone_names():
        raise UnknownTimezone(name)
    return ZoneInfo(name)


def in_force(calendars: Iterable[Calendar], moment: datetime) -> Calendar:
    """The calendar that windows follow at `moment`: the last one since then, or the first one before all of them."""
    ordered = sorted(calendars, key=lambda calendar: calendar.since)
    if not ordered:
        raise NoCalendar
    started = [calendar for calendar in ordered if calendar.since <= moment]
    return started[-1] if started else ordered[0]


def window(calendars: Sequence[Calendar], moment: datetime) -> Window:
    """The nominal window at `moment`; after a change of calendar it may begin before that change: see `cut`."""
    running = in_force(calendars, moment)
    return window_of(running.frequency, running.timezone, moment)


def window_of(frequency: Frequency, timezone: str, moment: datetime) -> Window:
    """The window that holds `moment`; raises `UnknownTimezone`."""
    local = zone(timezone)
    first = _first_day(frequency, moment.astimezone(local).date())
    following = _next_first_day(frequency, first)
    end = _start_of_day(following, local)
    # Where clocks go back over midnight, a moment of the old local day lies after the new day's first instant.
    while end <= moment:
        first, following = following, _next_first_day(frequency, following)
        end = _start_of_day(following, local)
    return Window(_start_of_day(first, local), end)


def start_of_day(day: date, timezone: str) -> datetime:
    """The first instant of a local day; raises `UnknownTimezone`."""
    return _start_of_day(day, zone(timezone))


def cut(nominal: Window, previous_end: datetime | None, next_start: datetime | None) -> Window:
    """What is left of a window between the end of a user's nearest earlier row and the start of the nearest later."""
    start = nominal.start if previous_end is None else max(nominal.start, previous_end)
    end = nominal.end if next_start is None else min(nominal.end, next_start)
    return Window(start, end)


def change(calendars: Sequence[Calendar], now: datetime, frequency: Frequency, timezone: str) -> tuple[Calendar, ...]:
    """The running calendar, and the asked one from the end of the running window on.

    A calendar that was to come is replaced; a change back removes it. The first calendar of all is in force at once.
    """
    zone(timezone)
    if not calendars:
        return (Calendar(now.replace(microsecond=0), frequency, timezone),)
    running = in_force(calendars, now)
    if (running.frequency, running.timezone) == (frequency, timezone):
        return (running,)
    return (running, Calendar(window([running], now).end, frequency, timezone))


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones()) - _NOT_PLACES


def _first_day(frequency: Frequency, day: date) -> date:
    if frequency == "DAILY":
        return day
    if frequency == "WEEKLY":
        return day - timedelta(days=day.weekday())
    months = _MONTHS_OF[frequency]
    return date(day.year, day.month - (day.month - 1) % months, 1)


def _next_first_day(frequency: Frequency, first: date) -> date:
    if frequency in _DAYS_OF:
        return first + timedelta(days=_DAYS_OF[frequency])
    month = first.month + _MONTHS_OF[frequency]
    return date(first.year + (month - 1) // 12, (month - 1) % 12 + 1, 1)


@lru_cache(maxsize=4096)
def _start_of_day(day: date, local: ZoneInfo) -> datetime:
    """The first instant whose local date is `day`, or later where clocks leap over the whole day."""
    midnight = datetime.combine(day, time(), local)
    instant = midnight.astimezone(UTC)
    if instant.astimezone(local).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return instant
    return _end_of_gap(midnight)


def _end_of_gap(missing: datetime) -> datetime:
    """The instant at which clocks leap over a local time that does not exist."""
    wall = missing.replace(tzinfo=None)
    before = int(missing.replace(fold=1).timestamp())
    after = int(missing.replace(fold=0).timestamp())

    def wall_at(second: int) -> datetime:
        return datetime.fromtimestamp(second, missing.tzinfo).replace(tzinfo=None)

    leap = bisect_left(range(before, after), wall, key=wall_at)
    return datetime.fromtimestamp(before + leap, UTC)
