"""Rules of recurrence: which are refused, which days follow, and that none takes long."""

from __future__ import annotations

import itertools
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from dateutil.rrule import rrulestr
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recognition.recurrence import InvalidRule, Schedule, check_rule, due, following, occurrences

BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
"""A Monday, 9:00 in Berlin."""
SECONDS_IN_A_RULE = 2.0
"""The slowest takes a fiftieth of it; without a bound, several seconds on a fast machine."""


def weekly(rule: str = "FREQ=WEEKLY", start: datetime = START, end: datetime | None = None) -> Schedule:
    return Schedule(rule, start, end)


def local(schedule: Schedule, zone: ZoneInfo, upto: datetime) -> list[str]:
    return [f"{one.at.astimezone(zone):%m-%d %H:%M}" for one in occurrences(schedule, zone, upto)]


@pytest.mark.parametrize(
    "rule",
    [
        "", "nonsense", "FREQ", "FREQ=", "FREQ=HOURLY", "FREQ=MINUTELY", "FREQ=SECONDLY", "FREQ=FORTNIGHTLY", "COUNT=3",
        "FREQ=DAILY;FREQ=DAILY", "FREQ=DAILY;X-OWN=1", "FREQ=DAILY;BYHOUR=1,2,3", "FREQ=DAILY;BYMINUTE=1",
        "FREQ=DAILY;BYSECOND=1", "FREQ=DAILY;INTERVAL=0", "FREQ=DAILY;INTERVAL=401", "FREQ=DAILY;INTERVAL=-1",
        "FREQ=DAILY;COUNT=0", "FREQ=DAILY;COUNT=1001", "FREQ=DAILY;COUNT=9999999999999999999", "FREQ=DAILY;COUNT=1e3",
        "FREQ=DAILY;COUNT=٣", "FREQ=DAILY;COUNT=3;UNTIL=20270101", "FREQ=DAILY;UNTIL=tomorrow",
        "FREQ=DAILY;UNTIL=20270230", "FREQ=DAILY;UNTIL=20270101T250000Z", "FREQ=DAILY;UNTIL=00010101T000000Z;X=1",
        "FREQ=MONTHLY;BYMONTHDAY=32", "FREQ=MONTHLY;BYMONTHDAY=0", "FREQ=YEARLY;BYMONTH=13", "FREQ=YEARLY;BYMONTH=-1",
        "FREQ=YEARLY;BYYEARDAY=367", "FREQ=YEARLY;BYWEEKNO=54", "FREQ=WEEKLY;BYDAY=XX", "FREQ=WEEKLY;BYDAY=MO,",
        "FREQ=WEEKLY;BYDAY=1MO", "FREQ=MONTHLY;BYDAY=6MO", "FREQ=YEARLY;BYDAY=54MO", "FREQ=YEARLY;BYMONTH=1;BYDAY=20MO",
        "FREQ=YEARLY;BYWEEKNO=3;BYDAY=1MO", "FREQ=WEEKLY;BYMONTHDAY=1", "FREQ=MONTHLY;BYYEARDAY=1",
        "FREQ=MONTHLY;BYWEEKNO=1", "FREQ=MONTHLY;BYSETPOS=1", "FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367",
        "FREQ=WEEKLY;WKST=0", "FREQ=DAILY;BYEASTER=0", "FREQ=DAILY\nCOUNT=3",
        "FREQ=MONTHLY;BYDAY=MO;BYMONTHDAY=" + ",".join(["1"] * 100),
    ],
)  # fmt: skip
def test_what_is_no_rule_within_bounds_is_refused(rule: str) -> None:
    with pytest.raises(InvalidRule):
        check_rule(rule)


def test_a_rule_is_kept_in_its_plain_form() -> None:
    assert check_rule(" rrule:freq=monthly;byday=-1fr;wkst=mo; ") == "FREQ=MONTHLY;BYDAY=-1FR;WKST=MO"


def test_nine_o_clock_stays_nine_o_clock_when_the_clocks_change() -> None:
    spring = weekly(start=datetime(2026, 3, 23, 8, tzinfo=UTC))
    assert local(spring, BERLIN, datetime(2026, 4, 7, tzinfo=UTC)) == ["03-23 09:00", "03-30 09:00", "04-06 09:00"]
    autumn = weekly(start=datetime(2026, 10, 19, 7, tzinfo=UTC))
    assert local(autumn, BERLIN, datetime(2026, 10, 27, tzinfo=UTC)) == ["10-19 09:00", "10-26 09:00"]


def test_a_skipped_time_comes_later_and_a_double_one_the_first_time() -> None:
    skipped = weekly("FREQ=DAILY", datetime(2026, 3, 28, 1, 30, tzinfo=UTC))
    moments = [one.at for one in occurrences(skipped, BERLIN, datetime(2026, 3, 31, tzinfo=UTC))]
    assert moments == [datetime(2026, 3, day, hour, 30, tzinfo=UTC) for day, hour in ((28, 1), (29, 1), (30, 0))]
    double = weekly("FREQ=DAILY", datetime(2026, 10, 24, 0, 30, tzinfo=UTC))
    moments = [one.at for one in occurrences(double, BERLIN, datetime(2026, 10, 27, tzinfo=UTC))]
    assert moments == [datetime(2026, 10, day, hour, 30, tzinfo=UTC) for day, hour in ((24, 0), (25, 0), (26, 1))]


def test_until_is_a_moment_or_a_whole_local_day() -> None:
    late = datetime(2026, 1, 5, 22, 30, tzinfo=UTC)
    for until, count in (
        ("20260107", 3), ("20260107T223000Z", 3), ("20260107T233000", 3),
        ("20260107T222959Z", 2), ("20260106T233000", 2),
    ):  # fmt: skip
        found = occurrences(weekly(f"FREQ=DAILY;UNTIL={until}", late), BERLIN, late + timedelta(days=30))
        assert len(list(found)) == count, until


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Europe/Berlin", "UTC", "America/New_York", "Etc/GMT+12"])
@pytest.mark.parametrize("clock", ["", "T000000", "T235959", "T000000Z", "T235959Z"])
def test_until_may_be_at_either_end_of_the_calendar_in_any_zone(zone: str, clock: str) -> None:
    for day, first in (("99991231", START), ("00010101", None)):
        rule = check_rule(f"FREQ=DAILY;UNTIL={day}{clock}")
        assert getattr(following(weekly(rule), ZoneInfo(zone), None, START), "at", None) == first


def test_due_are_the_days_since_the_last_one_done() -> None:
    now = START + timedelta(days=15)
    assert [one.day for one in due(weekly(), BERLIN, date(2026, 1, 5), now)] == [date(2026, 1, 12), date(2026, 1, 19)]
    assert [one.day for one in due(weekly(), BERLIN, date(2026, 1, 5), START + timedelta(days=7))] == [
        date(2026, 1, 12)
    ]
    assert due(weekly(), BERLIN, date(2026, 1, 19), now) == []
    assert due(weekly(end=now - timedelta(days=3)), BERLIN, date(2026, 1, 12), now) == []


def test_what_follows_is_neither_before_the_moment_nor_on_a_day_that_is_done() -> None:
    assert getattr(following(weekly(), BERLIN, None, START), "at", None) == START
    assert getattr(following(weekly(), BERLIN, START.date(), START), "day", None) == date(2026, 1, 12)
    assert following(weekly("FREQ=DAILY;COUNT=3"), BERLIN, None, START + timedelta(days=3)) is None
    assert following(weekly(end=START), BERLIN, START.date(), START) is None
    leap = following(
        weekly("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29", datetime(2096, 3, 1, tzinfo=UTC)), BERLIN, None, START
    )
    assert leap is not None
    assert leap.day == date(2104, 2, 29)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY;INTERVAL=7;BYDAY=TU", "FREQ=DAILY;BYSETPOS=2;BYMONTH=1",
        "FREQ=DAILY;INTERVAL=400;BYDAY=FR;BYSETPOS=261,252", "FREQ=WEEKLY;BYMONTH=2;BYSETPOS=300;BYDAY=MO,TU",
        "FREQ=MONTHLY;BYDAY=1MO,2MO;BYSETPOS=" + ",".join(map(str, range(3, 50))),
        "FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=YEARLY;BYWEEKNO=53;BYDAY=MO;BYMONTH=6",
        "FREQ=YEARLY;BYDAY=53MO,53TU,53WE;BYSETPOS=5", "FREQ=YEARLY;BYDAY=-53MO;BYSETPOS=5",
    ],
)  # fmt: skip
def test_a_rule_that_never_comes_is_given_up_soon(rule: str) -> None:
    began = time.thread_time()
    assert following(Schedule(check_rule(rule), datetime(2000, 1, 3, tzinfo=UTC), None), BERLIN, None, START) is None
    assert time.thread_time() - began < SECONDS_IN_A_RULE


def _numbers(most: int, least: int = 1) -> st.SearchStrategy[str]:
    either = st.integers(least, most) | st.integers(-most, -least)
    return st.lists(either, min_size=1, max_size=3).map(lambda numbers: ",".join(map(str, numbers)))


WEEKDAYS = st.lists(
    st.tuples(st.sampled_from(["", "1", "-1", "5", "53"]), st.sampled_from(["MO", "TU", "FR", "SU"])).map("".join),
    min_size=1,
    max_size=3,
).map(",".join)
PARTS = st.fixed_dictionaries(
    {"FREQ": st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])},
    optional={
        "INTERVAL": st.sampled_from(["1", "2", "7", "400"]),
        "COUNT": st.integers(1, 50).map(str),
        "BYMONTH": st.lists(st.integers(1, 12), min_size=1, max_size=3).map(lambda many: ",".join(map(str, many))),
        "BYMONTHDAY": _numbers(31),
        "BYYEARDAY": _numbers(366),
        "BYWEEKNO": _numbers(53),
        "BYDAY": WEEKDAYS,
        "BYSETPOS": _numbers(4),
    },
)


@settings(max_examples=150, deadline=None)
@given(PARTS, st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_what_is_taken_follows_as_the_library_has_it(parts: dict[str, str], day: date) -> None:
    rule = ";".join(f"{name}={value}" for name, value in parts.items())
    start = datetime(day.year, day.month, day.day, 8, tzinfo=UTC)
    try:
        check_rule(rule)
    except InvalidRule:
        return
    upto = start + timedelta(days=900)
    found = [one.at.replace(tzinfo=None) for one in occurrences(Schedule(rule, start, None), UTC_ZONE, upto)]
    assert len({one.date() for one in found}) == len(found)
    if found:
        naive = start.replace(tzinfo=None)
        expected = itertools.islice(rrulestr(rule, dtstart=naive), len(found))
        assert found == list(expected)
