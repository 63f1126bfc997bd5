"""What an import does with many rows in one transaction; the same rows again change nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from services.recognition.commands.core_values import told
from services.recognition.domain.core_values import Tree
from services.recognition.domain.texts import text_key
from services.recognition.store import core_values as store
from services.recognition.store import imports as rows
from services.recognition.store.core_values import CoreValue, Draft
from services.recognition.store.imports import Colleague
from shared import outbox
from shared.contracts.recognition import CoreValueCreated
from shared.database import Connection
from shared.errors import InvalidData

Verdict = Literal["made", "known", "waits"] | InvalidData


@dataclass(frozen=True, slots=True, kw_only=True)
class OldCoreValue:
    """A core value from before; its parent is named by its text or its id, or there is none."""

    text: str
    description: str
    thumbnail: str | None = None
    parent: str | None = None
    parent_core_value_id: int | None = None


async def import_core_values(tx: Connection, wanted: Sequence[OldCoreValue]) -> list[Verdict]:
    """Makes those whose text is new, parents before children in whatever order they are named.

    `waits` is the verdict on a value whose parent is neither here nor made now, `InvalidData` on one that does not fit.
    """
    forest = await _Forest.of(tx)
    verdicts: list[Verdict] = ["waits"] * len(wanted)
    waiting = list(range(len(wanted)))
    while waiting:
        for place in waiting:
            verdicts[place] = await forest.take(wanted[place])
        still = [place for place in waiting if verdicts[place] == "waits"]
        if len(still) == len(waiting):
            break
        waiting = still
    await outbox.append(tx, *(told(CoreValueCreated, value) for value in forest.made))
    return verdicts


class _Forest:
    """The organisation's core values, locked, with those that this transaction makes."""

    def __init__(self, tx: Connection, parents: dict[int, int | None], ids: dict[str, int]) -> None:
        self._tx, self._parents, self._ids = tx, parents, ids
        self.made: list[CoreValue] = []

    @classmethod
    async def of(cls, tx: Connection) -> _Forest:
        parents = await store.lock_tree(tx)
        return cls(tx, parents, await rows.all_core_values(tx))

    async def take(self, wanted: OldCoreValue) -> Verdict:
        key = text_key(wanted.text)
        if key in self._ids:
            return "known"
        parent_id = wanted.parent_core_value_id
        if wanted.parent is not None:
            parent_id = self._ids.get(text_key(wanted.parent))
            if parent_id is None:
                return "waits"
        try:
            Tree(self._parents).check(None, parent_id)
        except InvalidData as refusal:
            return refusal
        await self._make(Draft(wanted.text, key, wanted.description, parent_id, wanted.thumbnail))
        return "made"

    async def _make(self, draft: Draft) -> None:
        value = await store.add(self._tx, draft)
        self._ids[draft.text_key] = value.id
        self._parents[value.id] = value.parent_core_value_id
        self.made.append(value)


async def hold_core_values(tx: Connection, texts: Iterable[str]) -> dict[str, int]:
    """Ids by text; a text that no core value has is left out. Nobody deletes these until the transaction ends."""
    keys = {text: text_key(text) for text in texts}
    ids = await rows.hold_core_values(tx, set(keys.values()))
    return {text: ids[key] for text, key in keys.items() if key in ids}


async def ensure_members(tx: Connection, people: Collection[Colleague]) -> None:
    """Makes people known here whose events have not arrived, so that they can be thanked."""
    if people:
        await rows.ensure_members(tx, list(people))
