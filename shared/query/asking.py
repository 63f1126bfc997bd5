"""What is asked of a kind, however it was written, as conditions on columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.http.paging import Page
from shared.query.declaration import Field, Kind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LAST_CHARACTER = "\U0010ffff"
Filter = Mapping[str, Mapping[str, Any]]
_COMPARISONS = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}


@dataclass(frozen=True, slots=True)
class Asked:
    """A query that is well-formed: filters that must all hold, sort keys, names of keys, a page."""

    filters: tuple[Filter, ...]
    sort: tuple[str, ...] | None
    keys: tuple[str, ...] | None
    page: Page


@dataclass(frozen=True, slots=True)
class Comparison:
    """A column's bound, or the one value that it must not have."""

    field: str
    operator: str
    value: Any


@dataclass(slots=True)
class Selection:
    """Conditions that all hold: fields with a few values, in their order, and comparisons."""

    chosen: dict[str, list[Any]] = field(default_factory=dict)
    comparisons: list[Comparison] = field(default_factory=list)

    @property
    def bounded(self) -> set[str]:
        """The fields with bounds."""
        return {one.field for one in self.comparisons if one.operator != "<>"}

    @property
    def names(self) -> list[str]:
        """The fields that are filtered by."""
        return sorted({*self.chosen, *(one.field for one in self.comparisons)})


def selection_of(kind: Kind, filters: Iterable[Filter]) -> Selection:
    """The conditions of filters; the same filters in another order are the same conditions."""
    selection = Selection()
    for one in filters:
        for name, by_operator in one.items():
            for operator, value in by_operator.items():
                _add(selection, name, kind.fields[name], operator, value)
    selection.chosen = dict(sorted(selection.chosen.items()))
    selection.comparisons.sort(key=lambda one: (one.field, one.operator, one.value))
    return selection


def _add(selection: Selection, name: str, one: Field, operator: str, value: Any) -> None:
    if operator == "in":
        _choose(selection, name, [one.fold(item) if one.type == "text" else item for item in value])
    elif operator == "ne" and one.among:
        _choose(selection, name, [item for item in one.among if item != value])
    elif one.type == "timestamptz":
        _bound_moment(selection, name, operator, EPOCH + timedelta(seconds=value))
    elif operator == "prefix":
        folded = one.fold(value)
        _compare(selection, name, ">=", folded)
        _compare(selection, name, "<", folded + LAST_CHARACTER)
    elif operator == "eq":
        _choose(selection, name, [one.fold(value) if one.type == "text" else value])
    else:
        _compare(selection, name, "<>" if operator == "ne" else _COMPARISONS[operator], value)


def _choose(selection: Selection, name: str, values: Sequence[Any]) -> None:
    before = selection.chosen.get(name)
    selection.chosen[name] = sorted(set(values) if before is None else set(values) & set(before))


def _bound_moment(selection: Selection, name: str, operator: str, second: datetime) -> None:
    """Answers show whole seconds: a moment is compared as the second that it is in."""
    if operator in {"ge", "eq"}:
        _compare(selection, name, ">=", second)
    if operator in {"le", "eq"}:
        _compare(selection, name, "<", second + SECOND)
    if operator == "gt":
        _compare(selection, name, ">=", second + SECOND)
    if operator == "lt":
        _compare(selection, name, "<", second)


def _compare(selection: Selection, name: str, operator: str, value: Any) -> None:
    selection.comparisons.append(Comparison(name, operator, value))
