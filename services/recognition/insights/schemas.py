"""Queries in, insights out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from services.recognition.insights.queries import LEADERBOARDS
from services.recognition.insights.times import DEFAULT_PERIOD, PERIODS
from services.recognition.schemas.recognitions import MOST, Person, Recognition
from shared.http.fields import Choice, Count, Id, Text

METRICS = tuple(LEADERBOARDS)
GOALS = ("recognitions", "hi5s", "distinct_receivers")
FORMS = ("json", "svg")
LATEST = 32_503_680_000
"""The year 3000, in epoch seconds."""
MOST_LISTED, LISTED = 100, 10


class _Query(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE


class SummaryQuery(_Query):
    period = Choice(PERIODS, metadata={"description": f"The one that runs now; `{DEFAULT_PERIOD}` when absent."})


class LeaderboardQuery(_Query):
    metric = Choice(METRICS, required=True)
    period = Choice(PERIODS, metadata={"description": f"The one that runs now; `{DEFAULT_PERIOD}` when absent."})
    since = Count(0, LATEST, data_key="from", metadata={"description": "Epoch seconds; instead of `period`."})
    until = Count(0, LATEST, data_key="to", metadata={"description": "Epoch seconds; up to, but without it."})
    core_value_id = Id(metadata={"description": "Only for this core value."})
    team_id = Id(metadata={"description": "Only the members of this team are listed."})
    campaign_id = Id(metadata={"description": "Only what counts in this campaign; in all of its time by default."})
    limit = Count(1, MOST_LISTED, load_default=LISTED)

    @ma.validates_schema
    def one_time(self, data: Mapping[str, Any], **_: Any) -> None:
        """A time is named in one way only, and it lasts."""
        if "period" in data and ("since" in data or "until" in data):
            raise ma.ValidationError("Give period, or from and to, not both.", "period")
        if "since" in data and "until" in data and data["since"] >= data["until"]:
            raise ma.ValidationError("Must be after from.", "to")


class SearchQuery(_Query):
    q = Text(1, 200, required=True, metadata={"description": "Words, all of which are in the text, in any order."})
    limit = Count(1, MOST_LISTED, load_default=LISTED)


class ThermometerQuery(_Query):
    format = Choice(FORMS, metadata={"description": "Before what `Accept` says; `json` when neither asks for `svg`."})


class Place(ma.Schema):
    rank = Count(1, MOST, required=True)
    user = ma.fields.Nested(Person, required=True)
    value = Count(1, MOST, required=True)


class Thermometer(ma.Schema):
    metric = Choice(GOALS, required=True)
    target = Count(1, MOST, required=True)
    value = Count(0, MOST, required=True)
    percent = Count(0, MOST, required=True, metadata={"description": "Rounded down; may pass 100."})


class Found(ma.Schema):
    recognition = ma.fields.Nested(Recognition, required=True)
    rank = ma.fields.Float(required=True)
    highlight = ma.fields.String(
        required=True, metadata={"description": "HTML: the words stand in `<mark>`, all else is escaped."}
    )


class CoreValueName(ma.Schema):
    id = Id(required=True)
    text = ma.fields.String(required=True)


class OfCoreValue(ma.Schema):
    core_value = ma.fields.Nested(CoreValueName, required=True)
    recognitions = Count(0, MOST, required=True)
    hi5s = Count(0, MOST, required=True)


class Summary(ma.Schema):
    period = Choice(PERIODS, required=True)
    recognitions = Count(0, MOST, required=True)
    hi5s = Count(0, MOST, required=True)
    distinct_givers = Count(0, MOST, required=True)
    distinct_receivers = Count(0, MOST, required=True)
    core_values = ma.fields.List(ma.fields.Nested(OfCoreValue), required=True)


def told(name: str, data: ma.fields.Field[Any]) -> ma.Schema:
    """How an insight is answered."""
    status = ma.fields.Boolean(required=True, validate=ma.validate.OneOf([True]))
    return ma.Schema.from_dict({"status": status, "data": data}, name=name)()


class InsightFailure(ma.Schema):
    status = ma.fields.Boolean(required=True, validate=ma.validate.OneOf([False]))
    error = ma.fields.String(required=True)


SUMMARY_QUERY = SummaryQuery()
LEADERBOARD_QUERY = LeaderboardQuery()
SEARCH_QUERY = SearchQuery()
THERMOMETER_QUERY = ThermometerQuery()
LEADERBOARD = told("Leaderboard", ma.fields.List(ma.fields.Nested(Place), required=True))
THERMOMETER = told("ThermometerShown", ma.fields.Nested(Thermometer, required=True))
SEARCH = told("SearchResult", ma.fields.List(ma.fields.Nested(Found), required=True))
SUMMARY = told("SummaryShown", ma.fields.Nested(Summary, required=True))
FAILURE = InsightFailure()
