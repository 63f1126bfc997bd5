"""Every call of the clients with what came of it, compared with what is there in the end."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["ok", "fail", "unknown"]
UNKNOWN = frozenset({0, 500, 502, 503, 504})
"""Answers that do not say whether it happened; 0 stands for none at all."""
TURNED_AWAY = frozenset({401, 403, 429})
"""Nobody here asks for what is not theirs, or too often: who is told so has not been served."""


@dataclass(slots=True)
class Operation:
    """One thing that somebody wanted, under one idempotency key: a hi5 or a recognition, by what makes it unique."""

    kind: Literal["hi5", "thanks", "read"]
    who: str
    what: object
    key: str = field(default_factory=lambda: secrets.token_hex(12))
    began: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    statuses: list[int] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """By the last answer; one that has none yet is unknown."""
        if not self.statuses or self.statuses[-1] in UNKNOWN:
            return "unknown"
        return "ok" if self.statuses[-1] in (200, 201) else "fail"

    @property
    def answered(self) -> bool:
        """Whether the first answer said what became of it."""
        return bool(self.statuses) and self.statuses[0] not in UNKNOWN | TURNED_AWAY

    def note(self, status: int) -> None:
        if not self.statuses:
            self.ended = time.monotonic()
        self.statuses.append(status)


@dataclass
class Counts:
    """The seven counts of a history."""

    attempted: int = 0
    acknowledged: int = 0
    lost: int = 0
    unexpected: int = 0
    duplicated: int = 0
    recovered: int = 0
    overspent: int = 0

    @property
    def clean(self) -> bool:
        return (self.lost, self.unexpected, self.duplicated, self.overspent) == (0, 0, 0, 0)


def writes(operations: Iterable[Operation]) -> list[Operation]:
    return [one for one in operations if one.kind != "read"]


def recovered(operations: Iterable[Operation], present: Iterable[object]) -> int:
    """How many of those without a clear answer did happen; asked before they are repeated."""
    there = set(present)
    return sum(one.outcome == "unknown" and one.what in there for one in writes(operations))


def judge(operations: Iterable[Operation], present: Iterable[object]) -> Counts:
    """Compares what was answered with what is there, once all is settled."""
    there = Counter(present)
    wanted = writes(operations)
    acknowledged = {one.what for one in wanted if one.outcome == "ok"}
    refused = {one.what for one in wanted if one.outcome == "fail"} - acknowledged
    known = {one.what for one in wanted}
    return Counts(
        attempted=len(wanted),
        acknowledged=sum(one.outcome == "ok" for one in wanted),
        lost=sum(not there[what] for what in acknowledged),
        unexpected=sum(bool(there[what]) for what in refused) + sum(what not in known for what in there),
        duplicated=sum(count - 1 for count in there.values()),
    )
