"""`contains`: the ids of the rows that have the words, looked up first; everything else is asked of those rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared.database import Connection
from shared.errors import InvalidData
from shared.query.asking import Asked, Filter
from shared.query.declaration import ID, Kind

MOST_FOUND = 1000
CONTAINS = "contains"


async def resolved(tx: Connection, kind: Kind, asked: Asked, message: str) -> Asked:
    """The query with the ids of what each search finds. Raises `InvalidData` for words that too many rows have."""
    filters: list[Filter] = []
    for one in asked.filters:
        for name, by_operator in one.items():
            others = {operator: value for operator, value in by_operator.items() if operator != CONTAINS}
            if others:
                filters.append({name: others})
            if CONTAINS in by_operator:
                filters.append({ID: {"in": await _found(tx, kind, name, by_operator[CONTAINS], message)}})
    return replace(asked, filters=tuple(filters))


async def _found(tx: Connection, kind: Kind, name: str, words: str, message: str) -> Any:
    search = kind.fields[name].search
    if search is None:
        raise LookupError(f"{name} has no search")
    found = await tx.fetchval(search, words, MOST_FOUND + 1)
    if len(found) > MOST_FOUND:
        raise InvalidData(message, fields={f"filter.{name}.{CONTAINS}": f"More than {MOST_FOUND} have it. Say more."})
    return found
