"""Decisions about recognitions and hi5s. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from shared.errors import AccessDenied, InvalidData, InvalidToken, Unavailable, Unprocessable

GIVERS_TIME = timedelta(minutes=15)
INVALID_RECOGNITION = "Invalid recognition data"
INVALID_HI5 = "Invalid hi5 data"
INVALID_SERIES = "Invalid series data"


class NoAllowance(Exception):
    """The spender has no allowance that covers this moment, or no policy is known: open one and spend again."""


class UnknownReceiver(InvalidData):
    """Not a member as far as is known here: the event may be on its way."""


class UnknownOrganisation(Unavailable):
    """The organisation's settings have not arrived here yet."""

    message = "Your organisation's settings have not reached this service yet; try again in a moment"


class UnknownPolicy(Unavailable):
    """The organisation's quota has not arrived here yet."""

    message = "Your organisation's hi5 quota has not reached this service yet; try again in a moment"


class UnknownRecognition(InvalidData):
    """Not there, hidden, deleted or another organisation's."""

    def __init__(self) -> None:
        super().__init__(INVALID_HI5, fields={"id": "No such recognition."})


class OwnRecognition(Unprocessable):
    message = "Nobody gives a hi5 on a recognition that they received"


class AlreadyGiven(Unprocessable):
    message = "You have given a hi5 on this recognition already"


class TooLate(Unprocessable):
    message = "Who gave a recognition can change it or take it back for 15 minutes only"


@dataclass(frozen=True, slots=True)
class Standing:
    """A recognition as far as it matters to who wants to change it; `age` since it was given."""

    given_by: int
    text: str
    hidden: bool
    version: int
    age: timedelta


def check_own(standing: Standing, user_id: int) -> None:
    """Whether somebody may change what was said, or take it back. Raises `AccessDenied`, `TooLate`."""
    if standing.given_by != user_id:
        raise AccessDenied
    if standing.age >= GIVERS_TIME:
        raise TooLate


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What must be known before somebody is thanked; None is what has not arrived here."""

    giver_active: bool | None
    receiver_active: bool | None
    core_value_exists: bool
    cost: int | None


def check_recognition(given_by: int, given_for: int, around: Surroundings, invalid: str = INVALID_RECOGNITION) -> int:
    """What the recognition costs; `invalid` is the message of what it refuses.

    Raises `InvalidToken`, `InvalidData`, `UnknownReceiver`, `UnknownOrganisation` or `Unprocessable`.
    """
    if around.giver_active is False:
        raise InvalidToken
    wrong: dict[str, str] = {}
    if not around.core_value_exists:
        wrong["core_value_id"] = "No such core value."
    if not around.receiver_active:
        wrong["given_for"] = "No such person."
    if around.receiver_active is None and len(wrong) == 1:
        raise UnknownReceiver(invalid, fields=wrong)
    if wrong:
        raise InvalidData(invalid, fields=wrong)
    if given_by == given_for:
        raise Unprocessable("Nobody gives a recognition to themselves")
    if around.cost is None:
        raise UnknownOrganisation
    return around.cost
