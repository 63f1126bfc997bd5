"""What may be reported and reviewed, and what that does to a case. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.contracts.value_lists import LOCKED, REPORT_REASONS
from shared.errors import AccessDenied, InvalidData, Unprocessable

State = Literal["open", "hidden", "dismissed"]
Change = Literal["hidden", "restored"]
STATES: tuple[State, ...] = ("open", "hidden", "dismissed")
MARKS = LOCKED[REPORT_REASONS]


class UnknownRecognition(InvalidData):
    """There is no such recognition as far as the caller may know, or its event is still on the way."""

    def __init__(self, message: str) -> None:
        super().__init__(message, fields={"id": "No such recognition."})


class UnknownMark(InvalidData):
    """It is neither a reason that everybody has nor one of the organisation's, or their event is still on the way."""

    def __init__(self) -> None:
        own = "or a value of the list custom_report_reasons"
        super().__init__("Invalid report data", fields={"mark_as": f"Must be one of: {', '.join(MARKS)}, {own}."})


@dataclass(frozen=True, slots=True)
class Recognition:
    id: int
    given_by: int
    given_for: int


@dataclass(frozen=True, slots=True)
class Case:
    """`visibility_version` counts the hides and restores so far."""

    recognition_id: int
    state: State
    visibility_version: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What a review makes of a case; `change` is None when the recognition stays as visible as it was."""

    state: State
    change: Change | None
    visibility_version: int


def check_report(recognition: Recognition, case: Case, *, reporter: int, sees_hidden: bool) -> None:
    """Raises `UnknownRecognition` or `Unprocessable` when this person may not report this recognition."""
    if case.state == "hidden" and not sees_hidden:
        raise UnknownRecognition("Invalid report data")
    if reporter == recognition.given_by:
        raise Unprocessable("You gave this recognition yourself, so you cannot report it")


def state_after_report(state: State) -> State:
    """A new report opens a dismissed case again; what is hidden stays hidden."""
    return "hidden" if state == "hidden" else "open"


def check_review(recognition: Recognition, *, reviewer: int) -> None:
    """Raises `AccessDenied` when the reviewer is a party."""
    if reviewer in (recognition.given_by, recognition.given_for):
        raise AccessDenied


def decide(case: Case, *, is_inappropriate: bool) -> Decision:
    """The newest review stands; only what changes the visibility counts on."""
    state: State = "hidden" if is_inappropriate else "dismissed"
    was_hidden = case.state == "hidden"
    if is_inappropriate == was_hidden:
        return Decision(state, None, case.visibility_version)
    return Decision(state, "hidden" if is_inappropriate else "restored", case.visibility_version + 1)
