"""What the doctor says of one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One check's result; `todo` is empty when all is well."""

    check: str
    says: str
    todo: str = ""

    @property
    def ok(self) -> bool:
        return not self.todo


def line(check: str, troubles: Sequence[str], todo: str, well: str) -> Line:
    """OK without troubles; else they are named, and what to do."""
    return Line(check, "; ".join(troubles), todo) if troubles else Line(check, well)
