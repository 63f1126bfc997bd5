"""Windows of every IANA time zone: no gap, no overlap, each from a local start of day to the next."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.auth import Frequency
from shared.periods import (
    Calendar,
    NoCalendar,
    UnknownTimezone,
    Window,
    change,
    cut,
    in_force,
    window,
    window_of,
    zone,
)

ZONES = sorted(available_timezones() - {"Factory", "localtime"})
FREQUENCIES: tuple[Frequency, ...] = ("DAILY", "WEEKLY", "MONTHLY", "QUARTERLY")
SECOND = timedelta(seconds=1)
moments = st.integers(-20 * 31_556_952, 130 * 31_556_952).map(lambda second: datetime.fromtimestamp(second, UTC))
frequencies = st.sampled_from(FREQUENCIES)
zones = st.sampled_from(ZONES)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


def windows(frequency: Frequency, name: str, since: datetime, until: datetime) -> Iterator[Window]:
    moment = since
    while moment < until:
        found = window_of(frequency, name, moment)
        yield found
        moment = found.end


def is_start_of_day(instant: datetime, local: ZoneInfo) -> bool:
    here = instant.astimezone(local)
    if here.time() == time() and here.fold == 0:
        return True
    before = (instant - SECOND).astimezone(local)
    return before.date() < here.date() and here.replace(tzinfo=None) - before.replace(tzinfo=None) > SECOND


def is_boundary(frequency: Frequency, instant: datetime, local: ZoneInfo) -> bool:
    """Judged by the day after the boundary, since a time zone may leap over a whole day."""
    if frequency == "DAILY":
        return True
    day, before = instant.astimezone(local).date(), (instant - SECOND).astimezone(local).date()
    if frequency == "WEEKLY":
        return day.isocalendar()[:2] != before.isocalendar()[:2]
    if frequency == "MONTHLY":
        return (day.year, day.month) != (before.year, before.month)
    return (day.year, (day.month - 1) // 3) != (before.year, (before.month - 1) // 3)


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_windows_of_every_zone_follow_each_other_over_ten_years(frequency: Frequency) -> None:
    """2006 to 2016: midnight gaps (Sao Paulo, Cairo), double midnights (Havana, St. John's), a skipped day (Apia)."""
    assert len(ZONES) >= 400
    for name in ZONES:
        local = zone(name)
        previous_end = None
        for found in windows(frequency, name, utc(2006, 1, 1), utc(2016, 1, 1)):
            assert previous_end is None or found.start == previous_end, (name, found)
            assert found.start < found.end, (name, found)
            assert is_start_of_day(found.start, local), (name, found)
            assert is_boundary(frequency, found.start, local), (name, found)
            previous_end = found.end


@given(frequencies, zones, moments)
def test_every_moment_lies_in_its_window(frequency: Frequency, name: str, moment: datetime) -> None:
    found = window_of(frequency, name, moment)
    assert moment in found
    assert window_of(frequency, name, found.start) == found
    assert window_of(frequency, name, found.end - timedelta(microseconds=1)) == found
    assert window_of(frequency, name, found.end).start == found.end


@given(frequencies, zones, moments, moments)
def test_two_windows_of_a_calendar_are_the_same_or_apart(
    frequency: Frequency, name: str, one: datetime, other: datetime
) -> None:
    first, second = sorted((window_of(frequency, name, one), window_of(frequency, name, other)), key=lambda w: w.start)
    assert first == second or first.end <= second.start


@pytest.mark.parametrize(
    ("frequency", "name", "moment", "start", "end"),
    [
        ("DAILY", "UTC", utc(2026, 7, 1, 12), utc(2026, 7, 1), utc(2026, 7, 2)),
        ("WEEKLY", "UTC", utc(2026, 7, 1), utc(2026, 6, 29), utc(2026, 7, 6)),
        ("WEEKLY", "UTC", utc(2026, 6, 29), utc(2026, 6, 29), utc(2026, 7, 6)),
        ("MONTHLY", "Asia/Kolkata", utc(2026, 7, 31, 18, 30), utc(2026, 7, 31, 18, 30), utc(2026, 8, 31, 18, 30)),
        ("QUARTERLY", "UTC", utc(2026, 12, 31, 23, 59, 59), utc(2026, 10, 1), utc(2027, 1, 1)),
        ("DAILY", "Europe/Berlin", utc(2026, 3, 29, 12), utc(2026, 3, 28, 23), utc(2026, 3, 29, 22)),
        ("DAILY", "Europe/Berlin", utc(2026, 10, 25, 12), utc(2026, 10, 24, 22), utc(2026, 10, 25, 23)),
        # The clocks leap from 24:00 to 01:00: the day starts at 01:00.
        ("DAILY", "America/Sao_Paulo", utc(2017, 10, 15, 12), utc(2017, 10, 15, 3), utc(2017, 10, 16, 2)),
        # Midnight comes twice, at 04:00 and at 05:00 UTC: the day starts with the first.
        ("DAILY", "America/Havana", utc(2026, 11, 1, 12), utc(2026, 11, 1, 4), utc(2026, 11, 2, 5)),
        # At 00:01 the clocks go back to 23:01: what follows belongs to the new day, which had begun.
        ("DAILY", "America/St_Johns", utc(2010, 11, 7, 2, 45), utc(2010, 11, 7, 2, 30), utc(2010, 11, 8, 3, 30)),
        # The 30th of December 2011 did not exist in Samoa.
        ("DAILY", "Pacific/Apia", utc(2011, 12, 30, 9), utc(2011, 12, 29, 10), utc(2011, 12, 30, 10)),
        ("DAILY", "Pacific/Apia", utc(2011, 12, 30, 10), utc(2011, 12, 30, 10), utc(2011, 12, 31, 10)),
    ],
)
def test_known_windows(frequency: Frequency, name: str, moment: datetime, start: datetime, end: datetime) -> None:
    assert window_of(frequency, name, moment) == Window(start, end)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "../etc/passwd", "America", "UTC\0", "right/UTC"])
def test_unknown_zone_is_named(name: str) -> None:
    with pytest.raises(UnknownTimezone, match="use an IANA name"):
        window_of("DAILY", name, utc(2026, 1, 1))


def test_first_calendar_also_counts_before_its_beginning() -> None:
    calendar = Calendar(utc(2026, 1, 1), "DAILY", "UTC")
    assert in_force([calendar], utc(2020, 1, 1)) == calendar


def test_windows_need_a_calendar() -> None:
    with pytest.raises(NoCalendar):
        window([], utc(2026, 1, 1))


def test_cut_keeps_between_neighbours() -> None:
    nominal = Window(utc(2026, 1, 1), utc(2026, 2, 1))
    assert cut(nominal, None, None) == nominal
    assert cut(nominal, utc(2025, 12, 1), utc(2026, 3, 1)) == nominal
    assert cut(nominal, utc(2026, 1, 5), utc(2026, 1, 20)) == Window(utc(2026, 1, 5), utc(2026, 1, 20))


def test_change_holds_from_the_end_of_the_running_window() -> None:
    monthly = Calendar(utc(2026, 1, 1), "MONTHLY", "UTC")
    changed = change([monthly], utc(2026, 3, 10), "DAILY", "Asia/Kolkata")
    assert changed == (monthly, Calendar(utc(2026, 4, 1), "DAILY", "Asia/Kolkata"))
    assert window(changed, utc(2026, 3, 31, 23)) == Window(utc(2026, 3, 1), utc(2026, 4, 1))
    assert window(changed, utc(2026, 4, 1)) == Window(utc(2026, 3, 31, 18, 30), utc(2026, 4, 1, 18, 30))


def test_later_change_replaces_the_one_to_come_and_a_change_back_removes_it() -> None:
    monthly = Calendar(utc(2026, 1, 1), "MONTHLY", "UTC")
    first = change([monthly], utc(2026, 3, 10), "DAILY", "UTC")
    second = change(first, utc(2026, 3, 11), "WEEKLY", "UTC")
    assert second == (monthly, Calendar(utc(2026, 4, 1), "WEEKLY", "UTC"))
    assert change(second, utc(2026, 3, 12), "MONTHLY", "UTC") == (monthly,)


def test_calendar_to_come_becomes_the_running_one() -> None:
    monthly = Calendar(utc(2026, 1, 1), "MONTHLY", "UTC")
    daily = Calendar(utc(2026, 4, 1), "DAILY", "UTC")
    assert change((monthly, daily), utc(2026, 4, 2), "DAILY", "UTC") == (daily,)
    assert change((monthly, daily), utc(2026, 4, 2, 5), "WEEKLY", "UTC") == (
        daily,
        Calendar(utc(2026, 4, 3), "WEEKLY", "UTC"),
    )


def test_first_calendar_holds_at_once() -> None:
    assert change((), utc(2026, 3, 10, 1), "DAILY", "UTC") == (Calendar(utc(2026, 3, 10, 1), "DAILY", "UTC"),)


@pytest.mark.parametrize("name", ["Nowhere/At_all", "localtime", "Factory", "posixrules", ""])
def test_change_to_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(UnknownTimezone):
        change((), utc(2026, 1, 1), "DAILY", name)


changes = st.lists(
    st.tuples(st.timedeltas(timedelta(), timedelta(days=200)), frequencies, zones), min_size=1, max_size=6
)


@given(moments, changes)
def test_running_window_survives_every_change(begin: datetime, history: list[tuple[timedelta, Frequency, str]]) -> None:
    calendars: tuple[Calendar, ...] = ()
    now = begin
    for pause, frequency, name in history:
        now += pause
        before = window(calendars, now) if calendars else None
        calendars = change(calendars, now, frequency, name)
        assert len(calendars) <= 2
        assert before is None or window(calendars, now) == before
        assert window(calendars, now).end <= calendars[-1].since or len(calendars) == 1


@given(moments, frequencies, zones)
def test_calendar_survives_the_contract_and_jsonb(since: datetime, frequency: Frequency, name: str) -> None:
    calendar = Calendar(since.replace(microsecond=0), frequency, name)
    assert Calendar.of(calendar.fact()) == calendar
    assert Calendar.of_json(calendar.json()) == calendar
