"""SQL of a query: fixed pieces of the declaration; whatever a client gave travels as a parameter."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from shared.query import cursors
from shared.query.asking import Asked, Selection, selection_of
from shared.query.choosing import choose
from shared.query.declaration import DOWN, Index, Kind, name_of

SHAPES = 1024


@dataclass(frozen=True, slots=True)
class Shape:
    """What the text of a statement depends on."""

    kind: Kind
    index: Index
    order: tuple[str, ...]
    chosen: tuple[str, ...]
    comparisons: tuple[tuple[str, str], ...]
    after: bool
    picked: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL with its values."""

    text: str
    values: list[Any]


@dataclass(frozen=True, slots=True)
class Planned:
    """The statements of a query, and the order that its cursors are of."""

    page: Statement
    total: Statement | None
    order: tuple[str, ...]


def plan(kind: Kind, asked: Asked, now: datetime, message: str) -> Planned:
    """The statements of a query. Raises `InvalidData` for one that no index serves, and for a foreign cursor."""
    selection = selection_of(kind, asked.filters)
    index, order = choose(kind, selection, asked.sort, message)
    after = cursors.decode(asked.page.cursor, kind, order, message) if asked.page.cursor else []
    shape = _shape(kind, index, order, selection, after=bool(after), picked=asked.keys is not None)
    total = None
    if asked.page.with_total:
        total = Statement(_total_text(shape), _conditions_values(selection, index))
    return Planned(Statement(_page_text(shape), _values(shape, selection, asked, after, now)), total, order)


def _shape(
    kind: Kind, index: Index, order: tuple[str, ...], selection: Selection, *, after: bool, picked: bool
) -> Shape:
    comparisons = tuple((one.field, one.operator) for one in selection.comparisons)
    return Shape(kind, index, order, tuple(selection.chosen), comparisons, after, picked)


def _conditions_values(selection: Selection, index: Index) -> list[Any]:
    driving = [] if index.by is None else [selection.chosen[index.by]]
    others = [values for name, values in selection.chosen.items() if name != index.by]
    return [*driving, *others, *(one.value for one in selection.comparisons)]


def _values(shape: Shape, selection: Selection, asked: Asked, after: Sequence[Any], now: datetime) -> list[Any]:
    """In the order in which `_page_text` numbers them."""
    page = asked.page
    values = [*_conditions_values(selection, shape.index), *after, page.limit + 1, page.offset]
    if "{now}" in shape.kind.document:
        values.append(now)
    if asked.keys is not None:
        values.append([key for key in shape.kind.keys if key in asked.keys])
    return values


class _Places:
    """Parameters of a statement in their order."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def next(self, type_: str) -> str:
        return f"${next(self._numbers)}::{type_}"


@lru_cache(SHAPES)
def _page_text(shape: Shape) -> str:
    places = _Places()
    kind, by = shape.kind, shape.index.by
    driving = None if by is None else places.next(f"{kind.fields[by].type}[]")
    conditions = _conditions(shape, places)
    if shape.after:
        conditions.append(_after(shape, places))
    most, skipped = places.next("bigint"), places.next("bigint")
    columns = ", ".join(f"{_column(kind, key)} AS key_{place}" for place, key in enumerate(shape.order))
    rows = f"SELECT {columns} FROM {kind.table} WHERE {' AND '.join(conditions)}"  # noqa: S608 - pieces of declarations
    in_order = ", ".join(f"{_column(kind, key)}{_direction(key)}" for key in shape.order)
    by_keys = ", ".join(f"key_{place}{_direction(key)}" for place, key in enumerate(shape.order))
    if driving is None:
        rows = f"{rows} ORDER BY {in_order} LIMIT {most} OFFSET {skipped}"
    else:
        of_each = f"{rows} ORDER BY {in_order} LIMIT {most} + {skipped}"
        rows = (
            f"SELECT found.* FROM unnest({driving}) AS one (value) CROSS JOIN LATERAL ({of_each}) AS found"  # noqa: S608
            f" ORDER BY {by_keys} LIMIT {most} OFFSET {skipped}"
        )
    return _with_documents(shape, rows, by_keys, places)


def _with_documents(shape: Shape, rows: str, by_keys: str, places: _Places) -> str:
    document = shape.kind.document
    if "{now}" in document:
        document = document.format(now=places.next("timestamptz"))
    keys = ", ".join(f"page.key_{place}" for place in range(len(shape.order)))
    identified = f"(SELECT page.*, page.key_{len(shape.order) - 1} AS id FROM ({rows}) AS page) AS page"  # noqa: S608
    shown = "whole.document"
    if shape.picked:
        names = places.next("text[]")
        shown = f"(SELECT json_object_agg(name, whole.document -> name) FROM unnest({names}) AS name)"  # noqa: S608
    return (
        f"SELECT {shown}::text AS document, {keys} FROM {identified}"  # noqa: S608
        f" CROSS JOIN LATERAL (SELECT {document} AS document OFFSET 0) AS whole ORDER BY {by_keys}"
    )


@lru_cache(SHAPES)
def _total_text(shape: Shape) -> str:
    places = _Places()
    by = shape.index.by
    driving = [] if by is None else [_is_one_of(shape.kind, by, places)]
    conditions = [*driving, *_conditions(shape, places, driven=False)]
    return f"SELECT count(*) FROM {shape.kind.table} WHERE {' AND '.join(conditions)}"  # noqa: S608 - as above


def _conditions(shape: Shape, places: _Places, *, driven: bool = True) -> list[str]:
    kind, by = shape.kind, shape.index.by
    found = ["org_id = tenant()", kind.visible]
    if by is not None and driven:
        found.append(f"{_column(kind, by)} = one.value")
    found.extend(_is_one_of(kind, name, places) for name in shape.chosen if name != by)
    found.extend(
        f"{_column(kind, name)} {operator} {places.next(kind.fields[name].type)}"
        for name, operator in shape.comparisons
    )
    return found


def _is_one_of(kind: Kind, name: str, places: _Places) -> str:
    return f"{_column(kind, name)} = ANY ({places.next(kind.fields[name].type + '[]')})"


def _after(shape: Shape, places: _Places) -> str:
    """Rows behind the cursor: as one comparison of rows where all keys run the same way, else key by key."""
    kind, order = shape.kind, shape.order
    columns = [_column(kind, key) for key in order]
    values = [places.next(kind.fields[name_of(key)].type) for key in order]
    signs = ["<" if key.startswith(DOWN) else ">" for key in order]
    if len(set(signs)) == 1:
        return f"({', '.join(columns)}) {signs[0]} ({', '.join(values)})"
    steps = [
        " AND ".join(
            [*(f"{columns[k]} = {values[k]}" for k in range(place)), f"{columns[place]} {sign} {values[place]}"]
        )
        for place, sign in enumerate(signs)
    ]
    return f"{columns[0]} {signs[0]}= {values[0]} AND ({' OR '.join(f'({step})' for step in steps)})"


def _column(kind: Kind, key: str) -> str:
    return kind.fields[name_of(key)].column


def _direction(key: str) -> str:
    return " DESC" if key.startswith(DOWN) else ""
