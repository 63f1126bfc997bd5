"""Both written forms of a query as schemas, which are checked and documented from the declaration."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from typing import Any

import marshmallow as ma

from shared.http.fields import Text
from shared.http.paging import PageQuery
from shared.query.declaration import DOWN, Kind, name_of
from shared.query.operands import HINTS, FilterObject, Operand, unknown_field, unknown_operator

LONGEST_CURSOR = 8000
MOST_KEYS = 100
FILTER = "filter"


class Names(ma.fields.Field[Any]):
    """A list of known names, or, in a query string, names separated by commas; no field twice."""

    default_error_messages = {
        "list": "Must be a list of 1 to {most} names.",
        "unknown": "Unknown: {names}. Possible: {possible}.",
        "twice": "Names a field twice.",
    }

    def __init__(self, possible: tuple[str, ...], *, from_text: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.possible, self.from_text = possible, from_text

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        names = [name.strip() for name in value.split(",")] if self.from_text else value
        if not isinstance(names, list) or not 1 <= len(names) <= MOST_KEYS or not all(type(n) is str for n in names):
            raise self.make_error("list", most=MOST_KEYS)
        unknown = [name[:50] for name in names if name not in self.possible]
        if unknown:
            raise self.make_error("unknown", names=", ".join(unknown), possible=", ".join(self.possible))
        if len({name_of(name) for name in names}) < len(names):
            raise self.make_error("twice")
        return tuple(names)


class _Paged(PageQuery):
    cursor = Text(1, LONGEST_CURSOR, metadata={"description": "The next_cursor of the page before."})


class _Body(_Paged):
    @ma.validates_schema(pass_original=True, skip_on_field_errors=False)
    def known(self, _: Mapping[str, Any], original: Mapping[str, Any], **__: Any) -> None:
        """A misspelt filter must not show everything."""
        known = [field.data_key or name for name, field in self.load_fields.items()]
        unknown = {name: [f"Unknown. Possible: {', '.join(known)}."] for name in original if name not in known}
        if unknown:
            raise ma.ValidationError(unknown)


def sort_keys(kind: Kind) -> tuple[str, ...]:
    """All that may be sorted by, both ways."""
    return tuple(key for name in sorted(kind.sortable) for key in (name, DOWN + name))


def body_schema(kind: Kind, name: str) -> ma.Schema:
    """The JSON body of `POST /<kind>/query`."""
    made: type[ma.Schema] = type(
        f"{name}Query",
        (_Body,),
        {
            "filter": FilterObject(kind, metadata=_described_filter(kind)),
            "sort": Names(sort_keys(kind), metadata=_described_names(sort_keys(kind), "Sort keys; `-` is descending.")),
            "fields_": Names(kind.keys, data_key="fields", metadata=_described_names(kind.keys, "Exactly these keys.")),
        },
    )
    return made()


def in_query_string(kind: Kind, base: type[ma.Schema]) -> ma.Schema:
    """The query parameters of `GET /<kind>`: the list's own, pages, `filter[field][operator]`, `sort`, `fields`."""
    own = {
        "families": (FILTER,),
        "sort": Names(
            sort_keys(kind), from_text=True, metadata=_listed(sort_keys(kind), "Sort keys; `-` is descending.")
        ),
        "fields_": Names(
            kind.keys, from_text=True, data_key="fields", metadata=_listed(kind.keys, "Exactly these keys.")
        ),
        "known": ma.validates_schema(pass_original=True, skip_on_field_errors=False)(_known_filters(kind)),
        **{
            parameter: Operand(
                kind.fields[field], operator, from_text=True, metadata=_of_parameter(kind, field, operator)
            )
            for parameter, (field, operator) in parameters(kind).items()
        },
    }
    made: type[ma.Schema] = type(base.__name__ + "Filtered", (_Paged, base), own)
    return made()


@cache
def parameters(kind: Kind) -> Mapping[str, tuple[str, str]]:
    """Every filter as a query parameter, with its field and operator."""
    found: dict[str, tuple[str, str]] = {}
    for name, field in kind.filters.items():
        if "eq" in field.operators:
            found[f"{FILTER}[{name}]"] = (name, "eq")
        for operator in field.operators:
            found[f"{FILTER}[{name}][{operator}]"] = (name, operator)
    return found


def _known_filters(kind: Kind) -> Any:
    def known(_: ma.Schema, __: Mapping[str, Any], original: Mapping[str, Any], **___: Any) -> None:
        possible = parameters(kind)
        wrong = {name: [_reason(kind, name)] for name in original if name.startswith(FILTER) and name not in possible}
        if wrong:
            raise ma.ValidationError(wrong)

    return known


def _reason(kind: Kind, parameter: str) -> str:
    for name, field in kind.filters.items():
        if parameter.startswith(f"{FILTER}[{name}]"):
            return unknown_operator(field)
    return f"{unknown_field(kind)} Write {FILTER}[field][operator]=value."


@cache
def partly(schema: ma.Schema) -> ma.Schema:
    """The same document where `fields` may leave out any key."""
    fields = {name: copy.deepcopy(field) for name, field in schema.fields.items()}
    for field in fields.values():
        field.required = False
    return ma.Schema.from_dict(dict(fields), name=f"Queried{type(schema).__name__}")()


def _of_parameter(kind: Kind, field: str, operator: str) -> dict[str, Any]:
    value = _described(kind, field)
    if operator == "in":
        value = {"type": "string", "minLength": 1}
    elif "[" + operator + "]" == "[eq]":
        return {**value, "description": f"{field}: {HINTS[operator]}."}
    return {**value, "description": f"{field}: {HINTS[operator]}{', separated by commas' if operator == 'in' else ''}."}


def _described(kind: Kind, name: str) -> dict[str, Any]:
    field = kind.fields[name]
    if isinstance(field.value, Text):
        return {"type": "string", "minLength": field.value.least, "maxLength": field.value.most}
    bounds = next((one for one in field.value.validators if isinstance(one, ma.validate.Range)), None)
    return {"type": "integer", **({} if bounds is None else {"minimum": bounds.min, "maximum": bounds.max})}


def _described_filter(kind: Kind) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, field in kind.filters.items():
        value = _described(kind, name)
        operators: dict[str, Any] = {
            operator: {"type": "array", "items": value, "minItems": 1, "maxItems": 100} if operator == "in" else value
            for operator in field.operators
        }
        whole = {"type": "object", "properties": operators, "additionalProperties": False, "minProperties": 1}
        properties[name] = {"anyOf": [value, whole]} if "eq" in field.operators else whole
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "description": "All must hold; a bare value is one for `eq`.",
    }


def _described_names(possible: tuple[str, ...], description: str) -> dict[str, Any]:
    return {
        "type": "array",
        "items": {"type": "string", "enum": list(possible)},
        "minItems": 1,
        "description": description,
    }


def _listed(possible: tuple[str, ...], description: str) -> dict[str, Any]:
    return {"type": "string", "description": f"{description} Of: {', '.join(possible)}; separated by commas."}
