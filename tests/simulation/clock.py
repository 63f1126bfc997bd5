"""The simulator's time: it stands still until a schedule moves it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta


class Time:
    """One time for a world; each service may be a little before or behind it."""

    def __init__(self, start: datetime) -> None:
        self.start = self.now = start

    def move(self, by: timedelta) -> None:
        self.now += by

    def monotonic(self) -> float:
        return self.now.timestamp()

    def seen_by(self, skew: timedelta) -> Callable[[], datetime]:
        return lambda: self.now + skew
