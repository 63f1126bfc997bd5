"""Which time an insight is about: a running period of the organisation, or what the query says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from services.recognition.insights.spans import Window
from shared import periods
from shared.contracts.auth import Frequency

PERIODS = ("day", "week", "month", "quarter", "year", "all")
DEFAULT_PERIOD = "month"
_FREQUENCIES: Mapping[str, Frequency] = {"day": "DAILY", "week": "WEEKLY", "month": "MONTHLY", "quarter": "QUARTERLY"}
ALWAYS = Window(None, None)


def running(period: str, timezone: str, now: datetime) -> Window:
    """The period that runs now by the organisation's clocks."""
    if period == "all":
        return ALWAYS
    if period == "year":
        year = now.astimezone(periods.zone(timezone)).year
        return Window(*(periods.start_of_day(date(one, 1, 1), timezone) for one in (year, year + 1)))
    found = periods.window_of(_FREQUENCIES[period], timezone, now)
    return Window(found.start, found.end)


def asked_for(query: Mapping[str, Any], timezone: str, now: datetime) -> Window | None:
    """What a query names; None when it names no time."""
    if "since" in query or "until" in query:
        return Window(_moment(query.get("since")), _moment(query.get("until")))
    return running(query["period"], timezone, now) if "period" in query else None


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
