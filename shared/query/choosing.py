"""Which index serves a query; a query that none serves is refused with what would do."""

from __future__ import annotations

from collections.abc import Sequence

from shared.errors import InvalidData
from shared.query.asking import Selection
from shared.query.declaration import DOWN, ID, Index, Kind, mirrored, name_of

Order = tuple[str, ...]


def choose(kind: Kind, selection: Selection, sort: Sequence[str] | None, message: str) -> tuple[Index, Order]:
    """The first index that serves these conditions in this order, and the whole order, by default the index's own.

    Raises `InvalidData` where none does.
    """
    admitting = [index for index in kind.indexes if _admits(index, selection)]
    if not admitting:
        raise InvalidData(message, fields={f"filter.{name}": _together(kind) for name in selection.names})
    if sort is None:
        return admitting[0], admitting[0].order
    order = _ending_with_id(sort)
    for index in admitting:
        if _is_in(index, order):
            return index, order
    leading = sorted({index.leading for index in admitting})
    possible = ", ".join(key for name in leading for key in (name, DOWN + name))
    raise InvalidData(message, fields={"sort": f"With these filters sort by one of: {possible}."})


def _admits(index: Index, selection: Selection) -> bool:
    chosen, bounded = set(selection.chosen), selection.bounded
    if index.by is None:
        return not chosen and bounded <= {index.leading}
    if index.by not in chosen:
        return False
    return index.unique or (chosen <= index.also | {index.by} and bounded <= index.also | {index.by, index.leading})


def _ending_with_id(sort: Sequence[str]) -> Order:
    names = [name_of(key) for key in sort]
    if ID in names:
        return tuple(sort[: names.index(ID) + 1])
    return (*sort, DOWN + ID if sort[-1].startswith(DOWN) else ID)


def _is_in(index: Index, order: Order) -> bool:
    """Forwards or backwards; ids among equals may run either way, which takes a sort of those alone."""
    if index.unique:
        return True
    there, back = index.order[:-1], tuple(mirrored(key) for key in index.order[:-1])
    return order[:-1] in {there, back}


def _together(kind: Kind) -> str:
    """In words, which filters go together."""
    groups = [f"{name} (contains) with any" for name, field in kind.filters.items() if field.search]
    for index in kind.indexes:
        if index.by is not None and index.unique:
            groups.append(f"{index.by} (eq, in) with any")
        elif index.by is not None:
            others = {*index.also, index.leading} & set(kind.filters) - {index.by}
            groups.append(f"{index.by} (eq, in)" + (f" with {', '.join(sorted(others))}" if others else " alone"))
        elif index.leading in kind.filters:
            groups.append(f"{index.leading} alone")
    return f"These filters do not go together. What does: {'; '.join(dict.fromkeys(groups))}."
