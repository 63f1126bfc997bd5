"""Times cut into sums, and thermometers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recognition.insights.searching import marked
from services.recognition.insights.spans import FIRST_DAY, LAST_DAY, Part, Window, tile
from services.recognition.insights.thermometer import Reading, draw
from services.recognition.insights.times import running

moments = st.datetimes(datetime(1990, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)) | st.dates(
    date(1990, 1, 1), date(2060, 1, 1)
).map(lambda day: datetime(day.year, day.month, day.day, tzinfo=UTC))
STEP = {"day": 1, "month": 31, "year": 366}


def starts_of(part: Part) -> list[date]:
    """The first day of each span of a part."""
    found, day = [], part.first
    while day < part.last:
        found.append(day)
        later = day + timedelta(days=STEP[part.span])
        day = later if part.span == "day" else later.replace(day=1, month=later.month if part.span == "month" else 1)
    return found


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@given(moments, moments)
def test_parts_and_edges_are_the_whole_time_and_no_more(one: datetime, other: datetime) -> None:
    window = Window(*sorted([one, other]))
    tiling = tile(window)
    stretches = [*tiling.edges, *((midnight(part.first), midnight(part.last)) for part in tiling.parts)]
    ordered = sorted(stretches)
    if not ordered:
        assert one == other
        return
    assert (ordered[0][0], ordered[-1][1]) == window
    assert all(before[1] == after[0] for before, after in pairwise(ordered))
    for part in tiling.parts:
        starts = starts_of(part)
        assert starts
        assert part.span == "day" or all(day.day == 1 for day in starts)
        assert part.span != "year" or all(day.month == 1 for day in starts)
    assert all(until - since <= timedelta(days=2) for since, until in tiling.edges)
    counts = {span: sum(len(starts_of(part)) for part in tiling.parts if part.span == span) for span in STEP}
    assert counts["day"] <= 60
    assert counts["month"] <= 22


@pytest.mark.parametrize("since", ["0001-01-02", "1970-01-01", "9998-12-02", "9999-01-01", "9999-11-30", "9999-12-31"])
def test_the_last_days_that_are_told_of_have_no_sums(since: str) -> None:
    begins = datetime.fromisoformat(since).replace(tzinfo=UTC)
    endless = Window(begins, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    assert tile(endless) == tile(Window(min(begins, midnight(LAST_DAY)), midnight(LAST_DAY)))
    assert all(part.last <= LAST_DAY for part in tile(endless).parts)


def test_an_open_time_is_whole_years() -> None:
    assert tile(Window(None, None)) == tile(Window(midnight(FIRST_DAY), midnight(LAST_DAY)))
    assert [part.span for part in tile(Window(None, None)).parts] == ["year"]
    assert tile(Window(None, None)).edges == ()


CLOCKS: list[tuple[str, str, tuple[Any, ...]]] = [
    ("day", "Asia/Kathmandu", (2026, 3, 1, 18, 15)),
    ("week", "Europe/Berlin", (2026, 3, 1, 23)),
    ("month", "America/St_Johns", (2026, 3, 1, 3, 30)),
    ("quarter", "Pacific/Chatham", (2025, 12, 31, 10, 15)),
    ("year", "Pacific/Kiritimati", (2025, 12, 31, 10)),
]


@pytest.mark.parametrize(("period", "timezone", "begins"), CLOCKS)
def test_periods_begin_by_the_organisations_clocks(period: str, timezone: str, begins: tuple[Any, ...]) -> None:
    found = running(period, timezone, datetime(2026, 3, 2, 12, tzinfo=UTC))
    assert found.since == datetime(*begins).replace(tzinfo=UTC)


def test_windows_have_in_common_what_is_in_both() -> None:
    early, middle, late = (datetime(year, 1, 1, tzinfo=UTC) for year in (2020, 2021, 2022))
    assert Window(early, late).within(Window(None, middle)) == (early, middle)
    assert Window(early, None).within(Window(middle, None)) == (middle, None)
    assert Window(early, middle).within(Window(middle, late)) is None


@pytest.mark.parametrize(("value", "percent"), [(0, 0), (1, 33), (3, 100), (10, 333)])
def test_a_thermometer_says_how_far_it_is(value: int, percent: int) -> None:
    reading = Reading("hi5s", 3, value)
    assert reading.document() == {"metric": "hi5s", "target": 3, "value": value, "percent": percent}
    tree = ET.fromstring(draw("Spring", reading))  # noqa: S314 - our own
    heights = [float(one.attrib["height"]) for one in tree.iter("{http://www.w3.org/2000/svg}rect")]
    assert heights == [196, min(percent, 100) * 180 // 100 + 12]
    assert f"{percent} %" in "".join(tree.itertext())


@pytest.mark.parametrize("title", ["<script>alert(1)</script>", "a & b", "]]>", "\x00\x01\x0b\ufffe", '" onload="x'])
def test_a_campaigns_name_is_text_in_its_picture(title: str) -> None:
    picture = draw(title, Reading("recognitions", 1, 0))
    shown = {one.tag.rpartition("}")[2] for one in ET.fromstring(picture).iter()}  # noqa: S314 - our own
    assert shown == {"svg", "title", "rect", "circle", "g", "text"}
    assert b"script>" not in picture


def test_marks_are_the_only_markup() -> None:
    assert marked('<b>"\x02soup\x03" & more</b>') == "&lt;b&gt;&quot;<mark>soup</mark>&quot; &amp; more&lt;/b&gt;"
