"""Bodies and queries in, resources out."""

from __future__ import annotations

import marshmallow as ma

from services.moderation.domain import MARKS, STATES
from shared.contracts.value_lists import CUSTOM_REPORT_REASONS
from shared.http import PageQuery
from shared.http.fields import Choice, ChoiceList, Count, EpochSeconds, Id, Text, Truth


class GiveReport(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    mark_as = Text(
        1,
        100,
        required=True,
        metadata={"description": f"{', '.join(MARKS)}, or a value of the list {CUSTOM_REPORT_REASONS}."},
    )
    reason = Text(1, 1000, required=True)


class GiveReview(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    is_inappropriate = Truth(required=True)
    comment = Text(0, 1000, allow_none=True, load_default=None)


class CaseQuery(PageQuery):
    status = ChoiceList(STATES, metadata={"description": "Only cases in these states; all when absent."})


class CasePerson(ma.Schema):
    id = Id(required=True)
    first_name = ma.fields.String(required=True)
    last_name = ma.fields.String(required=True)
    display_name = ma.fields.String(required=True)
    profile_image_url = ma.fields.String(required=True, allow_none=True)


class Report(ma.Schema):
    id = Id(required=True)
    recognition_id = Id(required=True)
    mark_as = ma.fields.String(required=True)
    reason = ma.fields.String(required=True)
    reported_by = Id(required=True)
    reported_at = EpochSeconds(required=True)


class Review(ma.Schema):
    id = Id(required=True)
    recognition_id = Id(required=True)
    is_inappropriate = ma.fields.Boolean(required=True)
    comment = ma.fields.String(required=True, allow_none=True)
    reviewed_by = Id(required=True)
    reviewed_at = EpochSeconds(required=True)


class CaseReport(Report):
    class Meta:
        exclude = ("recognition_id",)

    reported_by_user = ma.fields.Nested(CasePerson, required=True)


class CaseReview(Review):
    class Meta:
        exclude = ("recognition_id",)

    reviewed_by_user = ma.fields.Nested(CasePerson, required=True)


class CaseRecognition(ma.Schema):
    id = Id(required=True)
    text = ma.fields.String(required=True)
    core_value_id = Id(required=True)
    given_by = Id(required=True)
    given_for = Id(required=True)
    given_at = EpochSeconds(required=True)
    given_by_user = ma.fields.Nested(CasePerson, required=True)
    given_for_user = ma.fields.Nested(CasePerson, required=True)
    deleted = ma.fields.Boolean(required=True)


class Case(ma.Schema):
    recognition_id = Id(required=True)
    state = Choice(STATES, required=True)
    opened_at = EpochSeconds(required=True)
    age = Count(0, 2**53 - 1, required=True, metadata={"description": "Seconds since it was opened."})
    version = Count(1, 2**53 - 1, required=True)
    recognition = ma.fields.Nested(CaseRecognition, required=True)
    reports = ma.fields.List(ma.fields.Nested(CaseReport), required=True)
    reviews = ma.fields.List(ma.fields.Nested(CaseReview), required=True)


GIVE_REPORT = GiveReport()
GIVE_REVIEW = GiveReview()
CASE_QUERY = CaseQuery()
REPORT = Report()
REVIEW = Review()
CASE = Case()
