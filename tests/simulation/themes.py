"""How often what happens, and where the seeds begin."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

STEPS = 36
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "America/Santiago")
FREQUENCIES = ("DAILY", "DAILY", "WEEKLY", "MONTHLY", "QUARTERLY")
STARTS = (
    datetime(2031, 3, 29, 23, 40), datetime(2031, 10, 25, 23, 55), datetime(2031, 6, 15, 12),
    datetime(2031, 1, 31, 23, 58), datetime(2031, 3, 31, 23, 50), datetime(2031, 8, 1, 23, 59, 30),
)  # fmt: skip
"""Before ends of days, weeks, months and quarters, and nights in which clocks change."""
LEAPS = tuple(timedelta(hours=hours) for hours in (1, 6, 24, 24, 72, 192, 800))
WEIGHTS = {
    "give_hi5": 14, "recognise": 6, "go_on": 8, "adjust": 3, "review": 5, "change_settings": 3, "leave_or_return": 3,
    "take_back": 2, "change_text": 1,
    "relay": 20, "deliver": 26, "look_after": 3, "deliver_again": 3, "wipe": 1, "wait": 3, "leap": 2, "silence": 1,
}  # fmt: skip
LIMIT = ("hi5_limit", (0, 1, 2, 3, 5))
COST = ("recognition_hi5_cost", (0, 1))
FREQUENCY = ("hi5_quota_renewal_frequency", FREQUENCIES)
ZONE = ("timezone", ZONES)
Changes = tuple[tuple[str, tuple[Any, ...]], ...]


@dataclass(frozen=True, slots=True)
class Theme:
    """What a seed does more often than others do: rare meetings of rare things are found by having more of them."""

    weights: dict[str, int] = field(default_factory=dict)
    limits: tuple[int, ...] = (0, 1, 2, 2, 3, 5)
    changes: Changes = (LIMIT, LIMIT, COST, FREQUENCY, ZONE)
    frequencies: tuple[str, ...] = FREQUENCIES


ALL, MODERATION, LIMITS, CALENDARS, ADJUSTMENTS, LEAVING = range(6)
THEMES = (
    Theme(),
    Theme({"review": 24, "recognise": 3, "leap": 1, "give_hi5": 18}, limits=(3, 5)),
    Theme(
        {"review": 10, "change_settings": 14, "recognise": 5, "give_hi5": 18, "leap": 0, "wipe": 4}, (3, 5), (LIMIT,)
    ),
    Theme({"change_settings": 8, "leap": 8, "give_hi5": 20, "recognise": 8}, (2, 5), (FREQUENCY, ZONE), ("DAILY",)),
    Theme({"adjust": 14, "review": 1}),
    Theme({"leave_or_return": 10, "give_hi5": 24, "review": 2, "leap": 0}, limits=(5, 8)),
)


def theme_of(seed: int) -> Theme:
    return THEMES[seed % len(THEMES)]
