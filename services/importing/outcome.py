"""What became of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from services.importing.table import Row


@dataclass(frozen=True, slots=True)
class Checked:
    """A row whose values have the right form."""

    row: Row
    values: Mapping[str, Any]

    def refused(self, reason: str) -> Rejection:
        return Rejection(self.row, reason)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that is not taken, and why."""

    row: Row
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many rows were new, how many here already; and those that were not taken."""

    new: int = 0
    unchanged: int = 0
    rejected: Sequence[Rejection] = ()


class Importer(Protocol):
    """Takes rows of one kind, a batch in one transaction; the same rows again change nothing."""

    async def take(self, rows: Sequence[Checked]) -> Outcome:
        """May hold rows back until others have come."""

    async def finish(self) -> Outcome:
        """What becomes of the rows that were held back, when no more come."""
