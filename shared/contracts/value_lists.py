"""Lists of values that organisations keep, as auth tells of them, and the names of those that services know."""

from typing import Literal

from shared.contracts.event import Event, event

ValueListState = Literal["kept", "removed"]

REPORT_REASONS = "report_reasons"
CUSTOM_REPORT_REASONS = "custom_report_reasons"
LOCKED: dict[str, tuple[str, ...]] = {REPORT_REASONS: ("fraud", "not_relevant", "incorrect")}
"""The lists that every organisation has and none may change."""


@event(publisher="auth", subject="value-list/{name}")
class ValueListChanged(Event):
    """The values of a list in their order; none after `removed`. The higher `version` stands."""

    name: str
    values: tuple[str, ...]
    state: ValueListState
    version: int
