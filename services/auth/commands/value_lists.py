"""Value lists are made, changed and removed; what they allow."""

from __future__ import annotations

from collections.abc import Sequence

from services.auth.domain.names import fold
from services.auth.store import value_lists as rows
from services.auth.store.value_lists import ValueList
from shared import outbox
from shared.contracts.value_lists import CUSTOM_REPORT_REASONS, LOCKED, REPORT_REASONS
from shared.database import Connection
from shared.errors import Conflict, InvalidData

INVALID = "Invalid value list data"
DEPARTMENTS = "departments"
MOST_LISTS = 200


async def make_value_list(tx: Connection, name: str, values: Sequence[str]) -> ValueList:
    """Raises `Conflict` for a name that is taken, and for too many lists, `InvalidData` for reasons that are there."""
    _check_reasons(name, values)
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
    _check_reasons(present.name, values)
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


def _check_reasons(name: str, values: Sequence[str]) -> None:
    """An organisation's own reasons to report are others than everybody's."""
    everybodys = {fold(one): one for one in LOCKED[REPORT_REASONS]}
    twice = [everybodys[fold(one)] for one in values if fold(one) in everybodys]
    if name == CUSTOM_REPORT_REASONS and twice:
        wrong = f"Every organisation has {', '.join(twice)} in {REPORT_REASONS}."
        raise InvalidData(INVALID, fields={"values": wrong})


def _check_unlocked(present: ValueList) -> None:
    if present.locked:
        raise Conflict("This value list is locked: every organisation has it as it is")


async def _tell(tx: Connection, changed: ValueList) -> ValueList:
    await outbox.append(tx, changed.snapshot())
    return changed
