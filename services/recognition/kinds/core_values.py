"""What core values can be queried by."""

from __future__ import annotations

from services.recognition.domain.texts import text_key
from services.recognition.schemas.core_values import CORE_VALUE
from shared.http.fields import Id, Text
from shared.query import Field, Index, Kind
from shared.query.declaration import ID_OPERATORS

CORE_VALUES = Kind(
    table="core_values",
    visible="true",
    document=(
        "(SELECT json_build_object('id', value.id, 'text', value.text, 'description', value.description,"
        " 'parent_core_value_id', value.parent_core_value_id, 'org_id', value.org_id, 'thumbnail', value.thumbnail)"
        " FROM core_values AS value WHERE value.org_id = tenant() AND value.id = page.id)"
    ),
    answer=CORE_VALUE,
    fields={
        "id": Field(column="id", type="bigint", value=Id(), operators=ID_OPERATORS),
        "text": Field(
            column='text_key COLLATE "C"',
            type="text",
            value=Text(1, 100),
            operators=("eq", "in", "prefix"),
            fold=text_key,
        ),
        "parent_core_value_id": Field(column="parent_core_value_id", type="bigint", value=Id(), operators=("eq", "in")),
    },
    indexes=(
        Index(by="id", order=("id",), unique=True),
        Index(by="text", order=("id",), unique=True),
        Index(by="parent_core_value_id", order=("id",), also=frozenset({"text"})),
        Index(order=("id",)),
        Index(order=("text", "id")),
    ),
)
