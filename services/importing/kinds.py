"""Which kind of rows a file holds, told by its header."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

import marshmallow as ma

from services.importing import rows
from services.importing.table import OF_REJECTS, Table, Unusable

Name = Literal["people", "core values", "recognitions"]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file can hold; the schema's fields are its columns."""

    name: Name
    schema: ma.Schema

    @property
    def columns(self) -> frozenset[str]:
        return frozenset(self.schema.load_fields)

    @property
    def required(self) -> frozenset[str]:
        return frozenset(name for name, field in self.schema.load_fields.items() if field.required)


KINDS = (
    Kind("recognitions", rows.RECOGNITION),
    Kind("people", rows.PERSON),
    Kind("core values", rows.CORE_VALUE),
)
"""In the order in which a header is compared: recognitions have a `text` as core values do."""

COLUMNS = frozenset().union(*(kind.columns for kind in KINDS))


def kind_of(table: Table) -> Kind:
    """Raises `Unusable` naming what is missing for the nearest kind."""
    columns = frozenset(table.columns)
    for kind in KINDS:
        if kind.required <= columns:
            return kind
    nearest = max(KINDS, key=lambda kind: len(kind.required & columns))
    if not nearest.required & columns:
        needs = "; ".join(f"{kind.name}: {', '.join(sorted(kind.required))}" for kind in KINDS)
        raise Unusable(f"The header of {table.path} names no kind of rows. Required columns are, for {needs}")
    missing = ", ".join(sorted(nearest.required - columns))
    raise Unusable(f"{table.path} looks like {nearest.name}, but its header lacks: {missing}")


def ignored(table: Table, kind: Kind) -> list[str]:
    """The columns that an import of this kind does not look at."""
    known: Collection[str] = kind.columns | {*OF_REJECTS, ""}
    return [column for column in table.columns if column not in known]
