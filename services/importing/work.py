"""One import from the first row to the last, in batches that hold or fail as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import marshmallow as ma

from services.importing.kinds import Kind
from services.importing.outcome import Checked, Importer, Outcome, Rejection
from services.importing.progress import Progress
from services.importing.rejects import Rejects
from services.importing.table import Row, Table
from shared.database import DATABASE_IS_AWAY
from shared.http.parsing import flatten

PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
T = TypeVar("T")


@dataclass(slots=True)
class Counts:
    """Rows so far."""

    read: int = 0
    new: int = 0
    unchanged: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """What one import is made of."""

    table: Table
    kind: Kind
    importer: Importer
    rejects: Rejects
    progress: Progress
    counts: Counts

    async def run(self, batch: int) -> None:
        """Raises `Unusable`, or what the database raises when it stays away."""
        rows = self.table.rows()
        while taken := list(islice(rows, batch)):
            await self._take(taken)
            self.progress.reached(self.table.bytes_read, self.counts.read)
        self._count(await self.importer.finish())

    async def _take(self, rows: Sequence[Row]) -> None:
        self.counts.read += len(rows)
        checked: list[Checked] = []
        refused: list[Rejection] = []
        for row in rows:
            judged = self._judge(row)
            if isinstance(judged, Checked):
                checked.append(judged)
            else:
                refused.append(judged)
        outcome = await patiently(lambda: self.importer.take(checked)) if checked else Outcome()
        rejected = sorted([*refused, *outcome.rejected], key=lambda rejection: rejection.row.line)
        self._count(replace(outcome, rejected=rejected))

    def _judge(self, row: Row) -> Checked | Rejection:
        if row.problem is not None:
            return Rejection(row, row.problem)
        try:
            return Checked(row, self.kind.schema.load(self.table.values(row)))
        except ma.ValidationError as error:
            wrong = flatten(error.messages)
            return Rejection(row, "; ".join(f"{name}: {reason}" for name, reason in wrong.items()))

    def _count(self, outcome: Outcome) -> None:
        self.counts.new += outcome.new
        self.counts.unchanged += outcome.unchanged
        self.counts.rejected += len(outcome.rejected)
        self.rejects.write(outcome.rejected)


async def patiently(attempt: Callable[[], Awaitable[T]], pauses: Sequence[float] = PAUSES) -> T:
    """Tries again while the database is away; that is safe since the same rows again change nothing."""
    for pause in pauses:
        try:
            return await attempt()
        except DATABASE_IS_AWAY:
            await asyncio.sleep(pause)
    return await attempt()
