"""Bodies of series in, series and their occurrences out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from services.recognition.commands.series_giving import REASONS
from services.recognition.recurrence import LONGEST_RULE, InvalidRule, check_rule
from shared.http import PageQuery
from shared.http.fields import Choice, Count, EpochSeconds, Id, Line, Text
from shared.query.declaration import LATEST

LONGEST_NAME = 100
EARLIEST_START = 946_684_800
"""The year 2000: a rule is followed from its start."""
OUTCOMES = ("given", "missed")


class Recurrence(Text):
    """A rule of RFC 5545."""

    def __init__(self, **options: Any) -> None:
        metadata = {"description": "An RRULE of RFC 5545 with days, weeks, months or years: `FREQ=WEEKLY;BYDAY=MO`."}
        super().__init__(1, LONGEST_RULE, metadata=metadata, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            return check_rule(text)
        except InvalidRule as error:
            raise ma.ValidationError(str(error)) from None


class WriteSeries(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    name = Line(1, LONGEST_NAME, required=True)
    text = Text(1, 1000, required=True)
    core_value_id = Id(required=True)
    given_for = Id(allow_none=True, load_default=None, metadata={"description": "Whom; or a team."})
    team_id = Id(
        allow_none=True, load_default=None, metadata={"description": "Each of whom, at that moment, but the giver."}
    )
    recurrence = Recurrence(required=True)
    starts_at = Count(
        EARLIEST_START,
        LATEST,
        required=True,
        metadata={"description": "Also gives the time of day, in the organisation's time zone."},
    )
    ends_at = Count(
        EARLIEST_START,
        LATEST,
        allow_none=True,
        load_default=None,
        metadata={"description": "The last moment at which it may be due; null: as the rule says."},
    )


class PatchSeries(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    name = Line(1, LONGEST_NAME)
    text = Text(1, 1000)
    core_value_id = Id()
    given_for = Id(allow_none=True)
    team_id = Id(allow_none=True)
    recurrence = Recurrence()
    starts_at = Count(EARLIEST_START, LATEST)
    ends_at = Count(EARLIEST_START, LATEST, allow_none=True)


class SeriesAnswer(ma.Schema):
    id = Id(required=True)
    name = ma.fields.String(required=True)
    text = ma.fields.String(required=True)
    core_value_id = Id(required=True)
    given_by = Id(required=True)
    given_for = Id(required=True, allow_none=True)
    team_id = Id(required=True, allow_none=True)
    recurrence = ma.fields.String(required=True)
    starts_at = EpochSeconds(required=True)
    ends_at = EpochSeconds(required=True, allow_none=True)
    next_at = EpochSeconds(
        required=True, allow_none=True, metadata={"description": "The next occurrence; null: it is over."}
    )


class OccurrenceAnswer(ma.Schema):
    id = Id(required=True)
    due_at = EpochSeconds(required=True)
    outcome = Choice(OUTCOMES, required=True)
    given_for = Id(
        required=True, allow_none=True, metadata={"description": "Null where nobody was to receive anything."}
    )
    recognition_id = Id(required=True, allow_none=True)
    reason = Choice(REASONS, required=True, allow_none=True, metadata={"description": "Why it was missed."})
    handled_at = EpochSeconds(required=True)


WRITE_SERIES = WriteSeries()
PATCH_SERIES = PatchSeries()
SERIES = SeriesAnswer()
OCCURRENCE = OccurrenceAnswer()
OCCURRENCES_QUERY = PageQuery()
