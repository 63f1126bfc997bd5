"""Bodies of value lists in, lists out."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.auth.domain.names import fold
from services.auth.schemas import Strict
from shared.http.fields import Line, Pattern

NAME = r"[a-z][a-z0-9_-]{0,49}"
NAME_HINT = "Must begin with a small letter and have up to 50 of a-z, 0-9, _ and -."
MOST_VALUES = 1000
LONGEST_VALUE = 100


class Values(ma.fields.List[Any]):
    """Texts in their order, none twice."""

    default_error_messages = {"twice": "Holds {value} twice; letters of either case are the same."}

    def __init__(self, **options: Any) -> None:
        super().__init__(
            Line(1, LONGEST_VALUE),
            validate=validate.Length(0, MOST_VALUES, error="Takes at most {max} values."),
            **options,
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        values: list[Any] = super()._deserialize(value, attr, data, **kwargs)
        known: set[str] = set()
        for one in values:
            if fold(one) in known:
                raise self.make_error("twice", value=one)
            known.add(fold(one))
        return values


class ChangeValueList(Strict):
    values = Values(required=True)


class MakeValueList(ChangeValueList):
    name = Pattern(NAME, NAME_HINT, required=True)


class ValueList(ma.Schema):
    name = ma.fields.String(required=True)
    values = ma.fields.List(ma.fields.String(), required=True)
    locked = ma.fields.Boolean(required=True, metadata={"description": "Every organisation has it, and it stays."})


MAKE_VALUE_LIST = MakeValueList()
CHANGE_VALUE_LIST = ChangeValueList()
VALUE_LIST = ValueList()
