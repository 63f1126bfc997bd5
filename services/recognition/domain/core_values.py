"""Decisions about core values. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from shared.errors import Conflict, InvalidData

LEVELS = 3
INVALID_CORE_VALUE = "Invalid core value data"


class DuplicateText(Conflict):
    message = "Another core value of this organisation has this text already"


class CoreValueInUse(Conflict):
    message = "Recognitions, campaigns, series or other core values use this core value; only an unused one is deleted"


class Tree:
    """The core values of one organisation by their parents."""

    def __init__(self, parents: Mapping[int, int | None]) -> None:
        self._parents = parents

    def check(self, value_id: int | None, parent_id: int | None) -> None:
        """Raises `InvalidData` unless the value, or a new one, may be put under this parent."""
        if parent_id is None:
            return
        if parent_id not in self._parents:
            raise _wrong_parent("No such core value.")
        above = self._upwards(parent_id)
        if value_id in above:
            raise _wrong_parent("A core value cannot be under itself.")
        if len(above) + (1 if value_id is None else self._height(value_id)) > LEVELS:
            raise _wrong_parent(f"Core values have at most {LEVELS} levels.")

    def _upwards(self, value_id: int) -> list[int]:
        chain = []
        at: int | None = value_id
        while at is not None:
            chain.append(at)
            at = self._parents[at]
        return chain

    def _height(self, value_id: int) -> int:
        children = [child for child, parent in self._parents.items() if parent == value_id]
        return 1 + max((self._height(child) for child in children), default=0)


def _wrong_parent(reason: str) -> InvalidData:
    return InvalidData(INVALID_CORE_VALUE, fields={"parent_core_value_id": reason})


def nested(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Core values as a forest: each with its `children`, in the order of the rows."""
    nodes = {row["id"]: {**row, "children": []} for row in rows}
    roots: list[dict[str, Any]] = []
    for node in nodes.values():
        parent = nodes.get(node["parent_core_value_id"])
        (roots if parent is None else parent["children"]).append(node)
    return roots
