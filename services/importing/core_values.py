"""Rows of core values: each becomes a node of the organisation's tree, known by its text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.importing.outcome import Checked, Outcome, Rejection
from services.recognition.commands.imports import OldCoreValue, Verdict, import_core_values
from shared import outbox
from shared.database import Database
from shared.errors import InvalidData

NO_SUCH_PARENT = "parent: No core value has this text, neither here nor in the file."


class CoreValues:
    """A row whose parent has not come yet is held back until it does."""

    def __init__(self, recognition: Database, org_id: int) -> None:
        self._recognition, self._org_id = recognition, org_id
        self._held: list[Checked] = []

    async def take(self, rows: Sequence[Checked]) -> Outcome:
        asked = [*self._held, *rows]
        async with self._recognition.transaction(self._org_id) as tx:
            await outbox.in_bulk(tx)
            verdicts = await import_core_values(tx, [OldCoreValue(**one.values) for one in asked])
        self._held = [one for one, verdict in zip(asked, verdicts, strict=True) if verdict == "waits"]
        return Outcome(verdicts.count("made"), verdicts.count("known"), list(_refused(asked, verdicts)))

    async def finish(self) -> Outcome:
        return Outcome(rejected=[one.refused(NO_SUCH_PARENT) for one in self._held])


def _refused(asked: Sequence[Checked], verdicts: Sequence[Verdict]) -> Iterator[Rejection]:
    for one, verdict in zip(asked, verdicts, strict=True):
        if isinstance(verdict, InvalidData):
            yield one.refused("; ".join(f"{name}: {wrong}" for name, wrong in verdict.fields.items()))
