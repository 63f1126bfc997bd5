"""Making and changing what people are thanked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from services.recognition.domain.core_values import DuplicateText, Tree
from services.recognition.domain.texts import text_key
from services.recognition.store import core_values as store
from services.recognition.store.core_values import CoreValue, Draft
from shared import outbox
from shared.contracts import recognition as events
from shared.database import Connection

CheckVersion = Callable[[int], None]


async def create_core_value(tx: Connection, ask: Mapping[str, Any]) -> CoreValue:
    """Raises `InvalidData` for a parent that does not fit, `DuplicateText`."""
    tree = Tree(await store.lock_tree(tx))
    draft = await _draft(tx, tree, None, ask)
    made = await store.add(tx, draft)
    await outbox.append(tx, told(events.CoreValueCreated, made))
    return made


async def change_core_value(
    tx: Connection, value_id: int, changes: Mapping[str, Any], check_version: CheckVersion
) -> CoreValue | None:
    """Nothing happens when it is so already; None when there is no such value.

    Raises `InvalidData`, `DuplicateText` and what `check_version` raises.
    """
    tree = Tree(await store.lock_tree(tx))
    known = await store.get(tx, value_id)
    if known is None:
        return None
    check_version(known.version)
    wanted = {**known._asdict(), **changes}
    if wanted == known._asdict():
        return known
    draft = await _draft(tx, tree, value_id, wanted)
    changed = await store.update(tx, value_id, draft)
    await outbox.append(tx, told(events.CoreValueChanged, changed))
    return changed


async def delete_core_value(tx: Connection, value_id: int, check_version: CheckVersion) -> bool:
    """False when there is no such value; raises `CoreValueInUse` and what `check_version` raises."""
    await store.lock_tree(tx)
    known = await store.get(tx, value_id)
    if known is None:
        return False
    check_version(known.version)
    await store.delete(tx, value_id)
    await outbox.append(tx, told(events.CoreValueDeleted, known._replace(version=known.version + 1)))
    return True


async def _draft(tx: Connection, tree: Tree, value_id: int | None, wanted: Mapping[str, Any]) -> Draft:
    tree.check(value_id, wanted["parent_core_value_id"])
    key = text_key(wanted["text"])
    if await store.text_is_taken(tx, key, by_other_than=value_id):
        raise DuplicateText
    return Draft(wanted["text"], key, wanted["description"], wanted["parent_core_value_id"], wanted["thumbnail"])


def told(
    kind: type[events.CoreValueCreated] | type[events.CoreValueChanged] | type[events.CoreValueDeleted],
    value: CoreValue,
) -> events.CoreValueCreated | events.CoreValueChanged | events.CoreValueDeleted:
    return kind(
        core_value_id=value.id,
        text=value.text,
        description=value.description,
        parent_core_value_id=value.parent_core_value_id,
        thumbnail=value.thumbnail,
        version=value.version,
    )
