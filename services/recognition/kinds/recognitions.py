"""What recognitions can be queried by."""

from __future__ import annotations

from services.recognition.schemas.recognitions import RECOGNITION
from shared.http.fields import Id, Text
from shared.query import Field, Index, Kind
from shared.query.declaration import ID_OPERATORS, moment

RECOGNITIONS = Kind(
    table="recognitions",
    visible="NOT hidden AND deleted_at IS NULL",
    document="(SELECT found.document FROM recognition_documents AS found WHERE found.id = page.id)",
    answer=RECOGNITION,
    fields={
        "id": Field(column="id", type="bigint", value=Id(), operators=ID_OPERATORS),
        "given_for": Field(column="given_for", type="bigint", value=Id(), operators=("eq", "in")),
        "given_by": Field(column="given_by", type="bigint", value=Id(), operators=("eq", "in")),
        "core_value_id": Field(column="core_value_id", type="bigint", value=Id(), operators=("eq", "in")),
        "given_at": moment("given_at"),
        "text": Field(
            column="text",
            type="text",
            value=Text(1, 200),
            operators=("contains",),
            search="SELECT recognitions_saying($1::text, $2::bigint)",
        ),
    },
    indexes=(
        Index(by="id", order=("-given_at", "-id"), unique=True),
        Index(by="given_for", order=("-given_at", "-id"), also=frozenset({"given_by", "core_value_id", "id"})),
        Index(by="given_by", order=("-given_at", "-id"), also=frozenset({"core_value_id", "id"})),
        Index(by="core_value_id", order=("-given_at", "-id")),
        Index(order=("-given_at", "-id")),
        Index(order=("-id",)),
    ),
)
