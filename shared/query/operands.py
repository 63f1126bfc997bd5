"""A client's values for an operator, from JSON or from the text of a query string."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from shared.http.fields import MOST_IN_A_LIST
from shared.query.declaration import Field, Kind

HINTS = {
    "eq": "equal", "ne": "not equal", "in": "one of these", "lt": "less", "le": "less or equal",
    "gt": "greater", "ge": "greater or equal", "prefix": "starts with this, in any case",
    "contains": "has all these words, in any case",
}  # fmt: skip


class Operand(ma.fields.Field[Any]):
    """What a field is compared with; `from_text`: the values of `in` are separated by commas."""

    default_error_messages = {
        "list": "Must be a list of values.",
        "many": "Takes 1 to {most} values.",
    }

    def __init__(self, field: Field, operator: str, *, from_text: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.field, self.operator, self.from_text = field, operator, from_text

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if self.operator != "in":
            return self.field.value.deserialize(value)
        values = value.split(",") if self.from_text and isinstance(value, str) else value
        if not isinstance(values, list):
            raise self.make_error("list")
        if not 1 <= len(values) <= MOST_IN_A_LIST:
            raise self.make_error("many", most=MOST_IN_A_LIST)
        return [self.field.value.deserialize(one.strip() if isinstance(one, str) else one) for one in values]


class FilterObject(ma.fields.Field[Any]):
    """`{"field": {"operator": value}}`; a bare value is one for `eq`."""

    default_error_messages = {"object": "Must be an object of fields, each with an object of operators or a value."}

    def __init__(self, kind: Kind, **options: Any) -> None:
        super().__init__(**options)
        self.kind = kind

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise self.make_error("object")
        wrong: dict[str, Any] = {}
        found = {name: _operands(self.kind, name, given, wrong) for name, given in value.items()}
        if wrong:
            raise ma.ValidationError(wrong)
        return found


def _operands(kind: Kind, name: str, given: Any, wrong: dict[str, Any]) -> dict[str, Any]:
    field = kind.filters.get(name)
    if field is None:
        wrong[name] = [unknown_field(kind)]
        return {}
    if not isinstance(given, dict):
        given = {"eq": given}
        if "eq" not in field.operators:
            wrong[name] = [unknown_operator(field)]
            return {}
    found: dict[str, Any] = {}
    mistakes: dict[str, Any] = {}
    for operator, value in given.items():
        try:
            if operator not in field.operators:
                raise ma.ValidationError(unknown_operator(field))
            found[operator] = Operand(field, operator, required=True).deserialize(value)
        except ma.ValidationError as error:
            mistakes[operator] = error.messages
    if mistakes:
        wrong[name] = mistakes
    if not given:
        wrong[name] = [unknown_operator(field)]
    return found


def unknown_field(kind: Kind) -> str:
    """In words, what can be filtered by."""
    return f"Cannot be filtered by. Possible: {', '.join(sorted(kind.filters))}."


def unknown_operator(field: Field) -> str:
    """In words, which operators a field takes."""
    return f"Takes the operators: {', '.join(field.operators)}."
