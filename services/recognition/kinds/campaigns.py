"""What campaigns can be queried by."""

from __future__ import annotations

from services.recognition.domain.texts import text_key
from services.recognition.schemas import campaigns as schemas
from shared.http.fields import Id, Text
from shared.query import Field, Index, Kind
from shared.query.declaration import ID_OPERATORS, moment

CAMPAIGNS = Kind(
    table="campaigns",
    visible="true",
    document=(
        "(SELECT campaign_document(campaigns) FROM campaigns"
        " WHERE campaigns.org_id = tenant() AND campaigns.id = page.id)"
    ),
    answer=schemas.CAMPAIGN,
    fields={
        "id": Field(column="id", type="bigint", value=Id(), operators=ID_OPERATORS),
        "name": Field(
            column='name_key COLLATE "C"',
            type="text",
            value=Text(1, schemas.LONGEST_NAME),
            operators=("eq", "in", "prefix"),
            fold=text_key,
        ),
        "starts_at": moment("starts_at"),
        "ends_at": moment("ends_at"),
    },
    indexes=(
        Index(by="id", order=("id",), unique=True),
        Index(by="name", order=("id",), also=frozenset({"starts_at", "ends_at"})),
        Index(order=("id",)),
        Index(order=("starts_at", "id")),
        Index(order=("ends_at", "id")),
        Index(order=("name", "id")),
    ),
)
