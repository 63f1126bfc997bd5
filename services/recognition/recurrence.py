"""On which days a series recurs: rules of RFC 5545, within bounds, in an organisation's time zone. Pure.

A rule has at most one occurrence on a local day, at the time of day at which the series starts: 9:00 stays 9:00 when
the clocks change. A time that they skip is as much later as they skip; of one that comes twice the first counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from dateutil import rrule

LONGEST_RULE = 200
MOST_TIMES = 1000
LARGEST_INTERVAL = 400
A_DAY = timedelta(days=1)
LOOKS_AHEAD = timedelta(days=3660)
"""Two years with a 29th of February are eight years apart around 2100."""
A_ZONE_APART = timedelta(days=2)
"""No two zones are further apart."""
_PREFIX = "RRULE:"
_FREQUENCIES = {"DAILY": rrule.DAILY, "WEEKLY": rrule.WEEKLY, "MONTHLY": rrule.MONTHLY, "YEARLY": rrule.YEARLY}
_WEEKDAYS = {str(day): day for day in (rrule.MO, rrule.TU, rrule.WE, rrule.TH, rrule.FR, rrule.SA, rrule.SU)}
_TIMES_OF_DAY = frozenset({"BYHOUR", "BYMINUTE", "BYSECOND"})
_WEEKDAY = re.compile(r"([+-]?[0-9]{1,2})?(MO|TU|WE|TH|FR|SA|SU)", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]{1,4}", re.ASCII)
_UNTIL = re.compile(r"([0-9]{8})(T[0-9]{6}Z?)?", re.ASCII)


class InvalidRule(ValueError):
    """What is wrong with a rule, in words for its author."""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time that a series is due: the local day, by which it is known, and the moment."""

    day: date
    at: datetime


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a series recurs; without `ends_at` as long as its rule says, else up to and including that moment."""

    rule: str
    starts_at: datetime
    ends_at: datetime | None


def check_rule(text: str) -> str:
    """The rule in its plain form; raises `InvalidRule`."""
    parts = _parts(text)
    _options(parts)
    return ";".join(f"{name}={value}" for name, value in parts.items())


def occurrences(schedule: Schedule, zone: ZoneInfo, upto: datetime) -> Iterator[Occurrence]:
    """All from the start up to and including a moment, in their order."""
    parts = _parts(schedule.rule)
    last = min(end for end in (upto, schedule.ends_at, _until(parts, zone)) if end is not None)
    start = _local(schedule.starts_at, zone)
    for local in _days(start, _local(last, zone) + A_ZONE_APART, _options(parts)):
        at = local.replace(tzinfo=zone).astimezone(UTC)
        if at > last:
            return
        yield Occurrence(local.date(), at)


class _TooFar(Exception):
    """As many days as there are to look at have been looked at."""


class _Counted:
    """Months, or days of the week, that can be asked for so often.

    The library asks of each day whether it is one of these, and where a rule has no occurrence any more it would do so
    until the year 9999.
    """

    def __init__(self, values: Iterable[int], left: int) -> None:
        self._values = frozenset(values)
        self._left = left

    def __contains__(self, value: int) -> bool:
        self._left -= 1
        if self._left < 0:
            raise _TooFar
        return value in self._values

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._values))


class _Walk(rrule.rrule):
    def __init__(self, *, looks_at: int, **options: Any) -> None:
        super().__init__(**options)
        chosen = vars(self)
        if chosen["_bynweekday"] and not chosen["_bymonth"]:
            # With months, the 20th Monday would be one of each month instead of the year.
            self._byweekday = _Counted(chosen["_byweekday"] or range(7), looks_at)
        else:
            self._bymonth = _Counted(chosen["_bymonth"] or range(1, 13), looks_at)


def _days(start: datetime, until: datetime, options: dict[str, Any]) -> Iterator[datetime]:
    if until < start:
        return
    # The library looks at whole periods, two years of days at most before the first and behind the last.
    looks_at = (until - start).days // options.get("interval", 1) + 2 * 366
    most = options.pop("count", None)
    try:
        yield from islice(_Walk(dtstart=start, until=until, looks_at=looks_at, **options), most)
    except _TooFar:
        return


def due(schedule: Schedule, zone: ZoneInfo, done_on: date, now: datetime) -> list[Occurrence]:
    """Those of the days after `done_on` whose moment has come."""
    return [one for one in occurrences(schedule, zone, now) if one.day > done_on]


def following(schedule: Schedule, zone: ZoneInfo, done_on: date | None, moment: datetime) -> Occurrence | None:
    """The first of a day after `done_on` that is not before a moment; None where there is none in sight."""
    upto = max(schedule.starts_at, moment) + LOOKS_AHEAD
    found = occurrences(schedule, zone, upto)
    return next((one for one in found if one.at >= moment and (done_on is None or one.day > done_on)), None)


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _parts(text: str) -> dict[str, str]:
    upper = text.strip().upper().removeprefix(_PREFIX)
    if len(upper) > LONGEST_RULE:
        raise InvalidRule(f"Has at most {LONGEST_RULE} characters.")
    parts: dict[str, str] = {}
    for part in upper.removesuffix(";").split(";"):
        name, is_pair, value = part.partition("=")
        if not is_pair or not value:
            raise InvalidRule("Must be an RRULE of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO.")
        if name in parts:
            raise InvalidRule(f"Has {name} twice." if name in _READERS else "Has a part twice.")
        parts[name] = value
    return parts


def _options(parts: dict[str, str]) -> dict[str, Any]:
    """The rule as the library takes it, without UNTIL. Raises `InvalidRule`."""
    if not _TIMES_OF_DAY.isdisjoint(parts):
        raise InvalidRule("Takes the time of day from starts_at: no BYHOUR, BYMINUTE, BYSECOND.")
    if not set(parts) <= {*_READERS, "FREQ", "UNTIL"}:
        raise InvalidRule(f"May have FREQ, UNTIL, {', '.join(_READERS)}, and nothing else.")
    frequency = parts.get("FREQ", "")
    if frequency not in _FREQUENCIES:
        raise InvalidRule("Must have a FREQ of DAILY, WEEKLY, MONTHLY or YEARLY.")
    _check_together(parts, frequency)
    _until(parts, UTC)
    options = [_READERS[name](name, value) for name, value in parts.items() if name in _READERS]
    return {"freq": _FREQUENCIES[frequency], **dict(options)}


def _check_together(parts: dict[str, str], frequency: str) -> None:
    """What RFC 5545 does not let go together, section 3.3.10."""
    numbered = any(character.isdigit() for character in parts.get("BYDAY", ""))
    for is_wrong, why in (
        ("COUNT" in parts and "UNTIL" in parts, "COUNT does not go with UNTIL."),
        ("BYMONTHDAY" in parts and frequency == "WEEKLY", "BYMONTHDAY does not go with WEEKLY."),
        ("BYYEARDAY" in parts and frequency != "YEARLY", "BYYEARDAY goes with YEARLY only."),
        ("BYWEEKNO" in parts and frequency != "YEARLY", "BYWEEKNO goes with YEARLY only."),
        (numbered and frequency in {"DAILY", "WEEKLY"}, "Numbers in BYDAY go with MONTHLY and YEARLY only."),
        (_numbers_within_months(parts, frequency), "Numbers in BYDAY are at most 5 within a month."),
        (numbered and "BYWEEKNO" in parts, "Numbers in BYDAY do not go with BYWEEKNO."),
        ("BYSETPOS" in parts and not any(name in parts for name in _CHOOSING), "BYSETPOS needs another BY part."),
    ):
        if is_wrong:
            raise InvalidRule(why)


def _numbers_within_months(parts: dict[str, str], frequency: str) -> bool:
    numbers = [int(number) for number in re.findall("[0-9]+", parts.get("BYDAY", ""))]
    return max(numbers, default=0) > 5 and (frequency == "MONTHLY" or "BYMONTH" in parts)


def _until(parts: dict[str, str], zone: tzinfo) -> datetime | None:
    if "UNTIL" not in parts:
        return None
    form = _UNTIL.fullmatch(parts["UNTIL"])
    try:
        if form is None:
            raise ValueError
        day, clock = form[1], form[2]
        if clock is None:
            return _moment(datetime.combine(datetime.strptime(day, "%Y%m%d"), time.max), zone)  # noqa: DTZ007
        local = datetime.strptime(day + clock.removesuffix("Z"), "%Y%m%dT%H%M%S")  # noqa: DTZ007
        return _moment(local, UTC if clock.endswith("Z") else zone)
    except ValueError:
        raise InvalidRule("UNTIL must be a day (20271231) or a moment (20271231T235959Z).") from None


def _moment(local: datetime, zone: tzinfo) -> datetime:
    """Within what every zone can tell: the ends of the calendar come a little later and sooner than they are."""
    within = min(max(local, datetime.min + A_ZONE_APART), datetime.max - A_ZONE_APART)  # noqa: DTZ901
    return within.replace(tzinfo=zone).astimezone(UTC)


def _number(name: str, text: str, most: int, *, signed: bool = False) -> int:
    number = int(text) if _NUMBER.fullmatch(text) else 0
    if not 1 <= (abs(number) if signed else number) <= most:
        raise InvalidRule(f"{name} takes {'-' + str(most) + ' to -1 and ' if signed else ''}1 to {most}.")
    return number


def _one(option: str, most: int) -> Callable[[str, str], tuple[str, Any]]:
    return lambda name, value: (option, _number(name, value, most))


def _several(option: str, most: int, *, signed: bool = True) -> Callable[[str, str], tuple[str, Any]]:
    def read(name: str, value: str) -> tuple[str, Any]:
        return option, sorted({_number(name, text, most, signed=signed) for text in value.split(",")})

    return read


def _weekdays(name: str, value: str) -> tuple[str, Any]:
    days = []
    for text in value.split(","):
        form = _WEEKDAY.fullmatch(text)
        if form is None:
            raise InvalidRule("BYDAY takes MO, TU, WE, TH, FR, SA, SU, such as MO,WE or -1FR.")
        weekday = _WEEKDAYS[form[2]]
        days.append(weekday(_number(name, form[1], 53, signed=True)) if form[1] else weekday)
    return "byweekday", days


def _week_start(_: str, value: str) -> tuple[str, Any]:
    if value not in _WEEKDAYS:
        raise InvalidRule("WKST takes MO, TU, WE, TH, FR, SA or SU.")
    return "wkst", _WEEKDAYS[value]


_READERS: dict[str, Callable[[str, str], tuple[str, Any]]] = {
    "INTERVAL": _one("interval", LARGEST_INTERVAL),
    "COUNT": _one("count", MOST_TIMES),
    "BYMONTH": _several("bymonth", 12, signed=False),
    "BYMONTHDAY": _several("bymonthday", 31),
    "BYYEARDAY": _several("byyearday", 366),
    "BYWEEKNO": _several("byweekno", 53),
    "BYDAY": _weekdays,
    "BYSETPOS": _several("bysetpos", 366),
    "WKST": _week_start,
}
_CHOOSING = ("BYMONTH", "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYDAY")
