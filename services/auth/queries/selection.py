"""Conditions of a list, put together from fixed pieces of SQL; values travel as parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from shared.database import Connection
from shared.http import Page, Raw, decode_cursor, encode_cursor


@dataclass(slots=True)
class Selection:
    """A WHERE clause that grows: `{}` in a condition stands for its next value."""

    conditions: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def only(self, condition: str, *values: Any) -> None:
        """Leaves out the rows that do not fit."""
        self.conditions.append(condition.format(*self.place(*values)))

    def place(self, *values: Any) -> list[str]:
        """Adds values; returns the names of their parameters."""
        first = len(self.values) + 1
        self.values.extend(values)
        return [f"${first + place}" for place in range(len(values))]

    @property
    def where(self) -> str:
        return " AND ".join(self.conditions)


@dataclass(frozen=True, slots=True)
class Rows:
    """One page of a list as JSON."""

    json: Raw
    total: int | None
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """Where documents come from: `{}` in `columns`, which name id and document, stands for the next of `values`."""

    table: str
    columns: str
    values: tuple[Any, ...] = ()


async def page_of(tx: Connection, source: Source, selection: Selection, page: Page) -> Rows:
    """A page in the order of ids. Raises `InvalidData` for a cursor that is none."""
    total = await _total(tx, source, selection) if page.with_total else None
    if page.cursor is not None:
        selection.only("id > {}", decode_cursor(page.cursor, 1)[0])
    columns = source.columns.format(*selection.place(*source.values))
    limit, offset = selection.place(page.limit + 1, page.offset)
    source_and_rows = f"FROM {source.table} WHERE {selection.where} ORDER BY id LIMIT {limit} OFFSET {offset}"
    query = f"SELECT {columns} {source_and_rows}"
    rows = await tx.fetch(query, *selection.values)
    shown = rows[: page.limit]
    next_cursor = encode_cursor(shown[-1]["id"]) if len(rows) > page.limit else None
    return Rows(_array([row["document"] for row in shown]), total, next_cursor)


async def _total(tx: Connection, source: Source, selection: Selection) -> int:
    query = f"SELECT count(*) FROM {source.table} WHERE {selection.where}"  # noqa: S608 - as above
    total: int = await tx.fetchval(query, *selection.values)
    return total


def _array(documents: Sequence[str]) -> Raw:
    return Raw("[" + ",".join(documents) + "]")
