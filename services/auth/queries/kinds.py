"""What people and teams can be queried by."""

from __future__ import annotations

from services.auth import schemas
from services.auth.domain.names import LONGEST_EMAIL, fold, fold_email
from services.auth.schemas import teams
from shared.http.fields import Count, Id, Text
from shared.query import Field, Index, Kind
from shared.query.declaration import ID_OPERATORS, moment

_NAMED_ALIKE = frozenset({"id", "email", "first_name", "last_name", "display_name", "role_id", "created_at"})


def _name(column: str) -> Field:
    return Field(column=column, type="text", value=Text(1, LONGEST_EMAIL), operators=("eq", "in", "prefix"), fold=fold)


USERS = Kind(
    table="users",
    visible="soft_delete_at IS NULL",
    document="(SELECT profile(users, {now}) FROM users WHERE users.org_id = tenant() AND users.id = page.id)",
    answer=schemas.USER,
    fields={
        "id": Field(column="id", type="bigint", value=Id(), operators=ID_OPERATORS),
        "email": Field(
            column="folded_email",
            type="text",
            value=Text(1, LONGEST_EMAIL),
            operators=("eq", "in", "prefix"),
            fold=fold_email,
        ),
        "first_name": _name("folded_first_name"),
        "last_name": _name("folded_last_name"),
        "display_name": _name("folded_display_name"),
        "role_id": Field(
            column="role_id",
            type="smallint",
            value=Count(1, 4),
            operators=("eq", "ne", "in"),
            among=(1, 2, 3, 4),
        ),
        "created_at": moment("created_at"),
    },
    indexes=(
        Index(by="id", order=("id",), unique=True),
        Index(by="email", order=("id",), unique=True),
        Index(by="last_name", order=("id",), also=_NAMED_ALIKE),
        Index(by="display_name", order=("id",), also=_NAMED_ALIKE),
        Index(by="first_name", order=("id",), also=_NAMED_ALIKE),
        Index(by="role_id", order=("id",)),
        Index(order=("id",)),
        Index(order=("created_at", "id")),
        Index(order=("email", "id")),
        Index(order=("first_name", "id")),
        Index(order=("last_name", "id")),
        Index(order=("display_name", "id")),
    ),
)

TEAMS = Kind(
    table="teams",
    visible="true",
    document="(SELECT team_document(teams) FROM teams WHERE teams.org_id = tenant() AND teams.id = page.id)",
    answer=teams.TEAM,
    fields={
        "id": Field(column="id", type="bigint", value=Id(), operators=ID_OPERATORS),
        "name": Field(
            column="folded_name",
            type="text",
            value=Text(1, teams.LONGEST_TEAM_NAME),
            operators=("eq", "in", "prefix"),
            fold=fold,
        ),
        "lead_id": Field(column="lead_id", type="bigint", value=Id(), operators=("eq", "in")),
    },
    indexes=(
        Index(by="id", order=("id",), unique=True),
        Index(by="name", order=("id",), unique=True),
        Index(by="lead_id", order=("id",), also=frozenset({"name"})),
        Index(order=("id",)),
        Index(order=("name", "id")),
    ),
)
