"""Value lists are made, changed and removed; what they allow."""

from __future__ import annotations

from collections.abc import Sequence

from services.auth.store import value_lists as rows
from services.auth.store.value_lists import ValueList
from shared import outbox
from shared.database import Connection
from shared.errors import Conflict, InvalidData

DEPARTMENTS = "departments"
MOST_LISTS = 200


async def make_value_list(tx: Connection, name: str, values: Sequence[str]) -> ValueList:
    """Raises `Conflict` for a name that is taken, and for too many lists."""
    await rows.lock_value_lists(tx)
    present = await rows.all_value_lists(tx)
    if any(one.name == name for one in present):
        raise Conflict("There is a value list of this name", fields={"name": "Is taken."})
    if len(present) >= MOST_LISTS:
        raise Conflict(f"An organisation has at most {MOST_LISTS} value lists")
    return await _tell(tx, await rows.keep_value_list(tx, name, values))


async def change_value_list(tx: Connection, present: ValueList, values: Sequence[str]) -> ValueList:
    """Sets its values; nothing happens when they are so already. Raises `Conflict` for a locked one."""
    _check_unlocked(present)
    if present.values == tuple(values):
        return present
    return await _tell(tx, await rows.keep_value_list(tx, present.name, values))


async def remove_value_list(tx: Connection, present: ValueList) -> None:
    """Raises `Conflict` for a locked one."""
    _check_unlocked(present)
    await _tell(tx, await rows.remove_value_list(tx, present.name))


async def check_department(tx: Connection, department: str | None, message: str) -> None:
    """Where the organisation keeps a list of departments: raises `InvalidData` for what is not in it."""
    if department is None:
        return
    known = await rows.find_value_list(tx, DEPARTMENTS)
    if known is not None and department not in known.values:
        raise InvalidData(message, fields={"department": f"Must be a value of the list {DEPARTMENTS}."})


def _check_unlocked(present: ValueList) -> None:
    if present.locked:
        raise Conflict("This value list is locked: every organisation has it as it is")


async def _tell(tx: Connection, changed: ValueList) -> ValueList:
    await outbox.append(tx, changed.snapshot())
    return changed
