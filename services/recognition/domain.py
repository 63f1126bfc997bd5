"""Decisions about core values and recognitions. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from shared.errors import AccessDenied, Conflict, InvalidData, InvalidToken, Unavailable, Unprocessable

LEVELS = 3
GIVERS_TIME = timedelta(minutes=15)
INVALID_CORE_VALUE = "Invalid core value data"
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


class DuplicateText(Conflict):
    message = "Another core value of this organisation has this text already"


class CoreValueInUse(Conflict):
    message = "Recognitions or other core values use this core value; only an unused one can be deleted"


class TooLate(Unprocessable):
    message = "Who gave a recognition can change it or take it back for 15 minutes only"


@dataclass(frozen=True, slots=True)
class Standing:
    """A recognition as far as it matters to who wants to change it; `age` since it was given."""

    given_by: int
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


def text_key(text: str) -> str:
    """The same for two texts that differ only in case or in how their letters are composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


class Tree:
    """The core values of one organisation by their parents."""

    def __init__(self, parents: Mapping[int, int | None]) -> None:
        self._parents = parents

    def check(self, value_id: int | None, parent_id: int | None) -> None:
        """Raises `InvalidData` unless the value, or a new one, may be put under this parent."""
        if parent_id is None:
            return
        if parent_id not in self._parents:
            raise _wrong_parent("No such core value.")
        above = self._upwards(parent_id)
        if value_id in above:
            raise _wrong_parent("A core value cannot be under itself.")
        if len(above) + (1 if value_id is None else self._height(value_id)) > LEVELS:
            raise _wrong_parent(f"Core values have at most {LEVELS} levels.")

    def _upwards(self, value_id: int) -> list[int]:
        chain = []
        at: int | None = value_id
        while at is not None:
            chain.append(at)
            at = self._parents[at]
        return chain

    def _height(self, value_id: int) -> int:
        children = [child for child, parent in self._parents.items() if parent == value_id]
        return 1 + max((self._height(child) for child in children), default=0)


def _wrong_parent(reason: str) -> InvalidData:
    return InvalidData(INVALID_CORE_VALUE, fields={"parent_core_value_id": reason})


def nested(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Core values as a forest: each with its `children`, in the order of the rows."""
    nodes = {row["id"]: {**row, "children": []} for row in rows}
    roots: list[dict[str, Any]] = []
    for node in nodes.values():
        parent = nodes.get(node["parent_core_value_id"])
        (roots if parent is None else parent["children"]).append(node)
    return roots
