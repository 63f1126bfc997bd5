"""What a kind of resource declares to be queried: its fields, and what its table's indexes serve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import marshmallow as ma

from shared.http.fields import Count

Operator = Literal["eq", "ne", "in", "lt", "le", "gt", "ge", "prefix", "contains"]
Type = Literal["bigint", "smallint", "text", "timestamptz"]
ID = "id"
ID_OPERATORS: tuple[Operator, ...] = ("eq", "ne", "in", "lt", "le", "gt", "ge")
LATEST = 253_402_300_798
"""The last but one second that PostgreSQL's clients can hold: the end of the year 9999."""
DOWN = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """What rows are filtered and sorted by: SQL of a column, how a client's value is read, which operators it takes.

    Text is compared in the form that `fold` makes. `among` are all values there are, where they are few.
    `contains` needs a `search`: SQL for the ids of the rows that $1 is in, $2 at most.
    """

    column: str
    type: Type
    value: ma.fields.Field[Any]
    operators: tuple[Operator, ...] = ()
    fold: Callable[[str], str] = str
    among: tuple[int, ...] = ()
    search: str | None = None

    def __post_init__(self) -> None:
        if "ne" in self.operators and not self.among and self.column != ID:
            raise ValueError(f"no index leaves out one value of {self.column}")
        if ("contains" in self.operators) != (self.search is not None):
            raise ValueError(f"contains and a search of {self.column} go together")


def moment(column: str) -> Field:
    """A moment, which clients know as epoch seconds."""
    return Field(column=column, type="timestamptz", value=Count(0, LATEST), operators=("eq", "lt", "le", "gt", "ge"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What one index serves: rows in an `order` that ends with the id, read forwards or backwards.

    With `by`, the index starts with that field: rows are read for each of its values, and filters on fields in `also`
    leave out some of them. With `unique` too, a value has one row at most, which is sorted and filtered at will.
    """

    order: tuple[str, ...]
    by: str | None = None
    also: frozenset[str] = frozenset()
    unique: bool = False

    @property
    def leading(self) -> str:
        """The field by which it is sorted first, and which may have bounds."""
        return name_of(self.order[0])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """A kind of resource: `indexes` are tried in their order.

    `visible` is SQL that leaves out hidden rows, `document` SQL for the JSON of the row `page.id`, `{now}` in it the
    present; `answer` describes that JSON.
    """

    table: str
    visible: str
    document: str
    answer: ma.Schema
    fields: Mapping[str, Field]
    indexes: tuple[Index, ...]
    sortable: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        sortable = frozenset(name_of(key) for index in self.indexes for key in index.order)
        object.__setattr__(self, "sortable", sortable)
        known = set(self.fields)
        for index in self.indexes:
            used = {name_of(key) for key in index.order} | index.also | ({index.by} if index.by else set())
            if not used <= known or index.order[-1].removeprefix(DOWN) != ID:
                raise ValueError(f"{index} is of other fields, or does not end with the id")

    @property
    def keys(self) -> tuple[str, ...]:
        """What a document has, in its order."""
        return tuple(self.answer.fields)

    @property
    def filters(self) -> dict[str, Field]:
        """The fields that take an operator."""
        return {name: one for name, one in self.fields.items() if one.operators}


def name_of(key: str) -> str:
    """The field of a sort key."""
    return key.removeprefix(DOWN)


def mirrored(key: str) -> str:
    """The sort key in the other direction."""
    return key.removeprefix(DOWN) if key.startswith(DOWN) else DOWN + key
