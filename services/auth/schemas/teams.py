"""Bodies of teams in, teams out."""

from __future__ import annotations

from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.auth.schemas import Strict
from shared.http.fields import Id, Line

LONGEST_TEAM_NAME = 100
MOST_MEMBERS = 1000


class People(ma.fields.List[Any]):
    """Ids of people, nobody's twice."""

    default_error_messages = {"twice": "Names somebody twice."}

    def __init__(self, **options: Any) -> None:
        super().__init__(
            Id(), validate=validate.Length(0, MOST_MEMBERS, error="Takes at most {max} people."), **options
        )

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        ids: list[Any] = super()._deserialize(value, attr, data, **kwargs)
        if len(set(ids)) != len(ids):
            raise self.make_error("twice")
        return ids


class WriteTeam(Strict):
    name = Line(1, LONGEST_TEAM_NAME, required=True)
    member_ids = People(load_default=list)
    lead_id = Id(allow_none=True, load_default=None)


class PatchTeam(Strict):
    name = Line(1, LONGEST_TEAM_NAME)
    member_ids = People(allow_none=True)
    lead_id = Id(allow_none=True)


class TeamAnswer(ma.Schema):
    id = Id(required=True)
    name = ma.fields.String(required=True)
    member_ids = ma.fields.List(Id(), required=True)
    lead_id = Id(required=True, allow_none=True)


WRITE_TEAM = WriteTeam()
PATCH_TEAM = PatchTeam()
TEAM = TeamAnswer()
