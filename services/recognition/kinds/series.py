"""What series of recognitions can be queried by."""

from __future__ import annotations

from services.recognition.domain.texts import text_key
from services.recognition.schemas import series as schemas
from shared.http.fields import Id, Text
from shared.query import Field, Index, Kind
from shared.query.declaration import ID_OPERATORS, moment


def _of(column: str) -> Field:
    return Field(column=column, type="bigint", value=Id(), operators=("eq", "in"))


SERIES = Kind(
    table="recognition_series",
    visible="true",
    document=(
        "(SELECT series_document(recognition_series) FROM recognition_series"
        " WHERE recognition_series.org_id = tenant() AND recognition_series.id = page.id)"
    ),
    answer=schemas.SERIES,
    fields={
        "id": Field(column="id", type="bigint", value=Id(), operators=ID_OPERATORS),
        "name": Field(
            column='name_key COLLATE "C"',
            type="text",
            value=Text(1, schemas.LONGEST_NAME),
            operators=("eq", "in", "prefix"),
            fold=text_key,
        ),
        "given_by": _of("given_by"),
        "given_for": _of("given_for"),
        "team_id": _of("team_id"),
        "core_value_id": _of("core_value_id"),
        "starts_at": moment("starts_at"),
    },
    indexes=(
        Index(by="id", order=("id",), unique=True),
        Index(by="given_by", order=("id",)),
        Index(by="given_for", order=("id",)),
        Index(by="team_id", order=("id",)),
        Index(by="core_value_id", order=("id",)),
        Index(by="name", order=("id",)),
        Index(order=("id",)),
        Index(order=("starts_at", "id")),
        Index(order=("name", "id")),
    ),
)
