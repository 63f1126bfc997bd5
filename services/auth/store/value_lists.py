"""Rows of value lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from asyncpg import Record

from shared.contracts.value_lists import LOCKED, ValueListChanged, ValueListState
from shared.database import Connection

_KEEP = """
INSERT INTO value_lists AS known (name, items) VALUES ($1, $2)
ON CONFLICT (org_id, name) DO UPDATE SET items = excluded.items, removed = false, version = known.version + 1
RETURNING *
"""
_REMOVE = """
UPDATE value_lists SET items = '{}', removed = true, version = version + 1 WHERE org_id = tenant() AND name = $1
RETURNING *
"""


@dataclass(frozen=True, slots=True)
class ValueList:
    """A list that an organisation has; a `locked` one is everybody's and stays as it is."""

    name: str
    values: tuple[str, ...]
    version: int
    locked: bool = False
    removed: bool = False

    def snapshot(self) -> ValueListChanged:
        """The event that tells of it."""
        state: ValueListState = "removed" if self.removed else "kept"
        return ValueListChanged(name=self.name, values=self.values, state=state, version=self.version)


async def lock_value_lists(tx: Connection) -> None:
    """Until the transaction's end nobody else changes a list of this organisation."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('value_lists ' || tenant(), 0))")


async def all_value_lists(tx: Connection) -> list[ValueList]:
    """The locked ones and the organisation's own, by name."""
    rows = await tx.fetch("SELECT * FROM value_lists WHERE org_id = tenant() AND NOT removed")
    locked = [ValueList(name, values, 1, locked=True) for name, values in LOCKED.items()]
    return sorted([*locked, *map(_value_list, rows)], key=lambda one: one.name)


async def find_value_list(tx: Connection, name: str) -> ValueList | None:
    if name in LOCKED:
        return ValueList(name, LOCKED[name], 1, locked=True)
    row = await tx.fetchrow("SELECT * FROM value_lists WHERE org_id = tenant() AND name = $1 AND NOT removed", name)
    return None if row is None else _value_list(row)


async def keep_value_list(tx: Connection, name: str, values: Sequence[str]) -> ValueList:
    """A new list, a removed one back, or other values of one."""
    return _value_list(await tx.fetchrow(_KEEP, name, list(values)))


async def remove_value_list(tx: Connection, name: str) -> ValueList:
    return _value_list(await tx.fetchrow(_REMOVE, name))


def _value_list(row: Record | None) -> ValueList:
    if row is None:
        raise LookupError("the statement found no value list")
    return ValueList(row["name"], tuple(row["items"]), row["version"], removed=row["removed"])
