"""Bodies of campaigns in, campaigns out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import validate

from services.recognition.schemas.recognitions import MOST
from shared.http.fields import Choice, Count, EpochSeconds, Id, Line
from shared.query.declaration import LATEST

LONGEST_NAME = 100
MOST_NAMED = 100
LARGEST_TARGET = 1_000_000_000
METRICS = ("recognitions", "hi5s", "distinct_receivers")


class Ids(ma.fields.List[Any]):
    """Ids, none twice."""

    default_error_messages = {"twice": "Names one twice."}

    def __init__(self, **options: Any) -> None:
        super().__init__(Id(), validate=validate.Length(0, MOST_NAMED, error="Takes at most {max} ids."), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        ids: list[Any] = super()._deserialize(value, attr, data, **kwargs)
        if len(set(ids)) != len(ids):
            raise self.make_error("twice")
        return ids


class WriteCampaign(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    name = Line(1, LONGEST_NAME, required=True)
    starts_at = Count(0, LATEST, required=True)
    ends_at = Count(0, LATEST, required=True, metadata={"description": "After starts_at; not part of the campaign."})
    goal_metric = Choice(METRICS, required=True)
    goal_target = Count(1, LARGEST_TARGET, required=True)
    core_value_ids = Ids(
        load_default=list, metadata={"description": "Only recognitions for these count; empty: for all."}
    )
    team_ids = Ids(
        load_default=list, metadata={"description": "Only what people in these teams receive counts; empty: all."}
    )


class PatchCampaign(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    name = Line(1, LONGEST_NAME)
    starts_at = Count(0, LATEST)
    ends_at = Count(0, LATEST)
    goal_metric = Choice(METRICS)
    goal_target = Count(1, LARGEST_TARGET)
    core_value_ids = Ids(allow_none=True)
    team_ids = Ids(allow_none=True)


class CampaignAnswer(ma.Schema):
    id = Id(required=True)
    name = ma.fields.String(required=True)
    starts_at = EpochSeconds(required=True)
    ends_at = EpochSeconds(required=True)
    goal_metric = Choice(METRICS, required=True)
    goal_target = Count(1, MOST, required=True)
    core_value_ids = ma.fields.List(Id(), required=True)
    team_ids = ma.fields.List(Id(), required=True)


WRITE_CAMPAIGN = WriteCampaign()
PATCH_CAMPAIGN = PatchCampaign()
CAMPAIGN = CampaignAnswer()
