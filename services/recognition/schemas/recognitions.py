"""Recognitions and hi5s in and out."""

from __future__ import annotations

import marshmallow as ma

from shared.http import PageQuery
from shared.http.fields import Choice, Count, EpochSeconds, Id, IdList, Text

MOST = 2**53 - 1


class GiveRecognition(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    given_for = Id(required=True)
    core_value_id = Id(required=True)
    text = Text(1, 1000, required=True)


class ChangeRecognition(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    text = Text(1, 1000)


class ReplaceRecognition(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    text = Text(1, 1000, required=True)


class FeedQuery(PageQuery):
    given_by = IdList(metadata={"description": "Only what these people gave."})
    given_for = IdList(metadata={"description": "Only what these people received."})
    core_value_id = IdList(metadata={"description": "Only for these core values."})
    status = Choice(
        ("visible", "hidden"), load_default="visible", metadata={"description": "`hidden` is for moderators."}
    )


class Person(ma.Schema):
    id = Id(required=True)
    first_name = ma.fields.String(required=True)
    last_name = ma.fields.String(required=True)
    display_name = ma.fields.String(required=True)
    profile_image_url = ma.fields.String(required=True, allow_none=True)


class CoreValueCard(ma.Schema):
    id = Id(required=True)
    text = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    thumbnail = ma.fields.String(required=True, allow_none=True)


class Recognition(ma.Schema):
    id = Id(required=True)
    text = ma.fields.String(required=True)
    given_for = Id(required=True)
    given_by = Id(required=True)
    given_at = EpochSeconds(required=True)
    core_value = ma.fields.Nested(CoreValueCard, required=True)
    hi5_count = Count(0, MOST, required=True)
    attachments = Id(required=True, allow_none=True, metadata={"description": "The container of its files."})
    given_for_user = ma.fields.Nested(Person, required=True)
    given_by_user = ma.fields.Nested(Person, required=True)


class GivenRecognition(ma.Schema):
    id = Id(required=True)
    core_values_id = Id(required=True, metadata={"description": "The same as core_value_id."})
    core_value_id = Id(required=True)
    text = ma.fields.String(required=True)
    given_for = Id(required=True)
    given_by = Id(required=True)
    given_at = EpochSeconds(required=True)


class GiveHi5(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    comment = Text(0, 500, allow_none=True, load_default=None)


class GivenHi5(ma.Schema):
    id = Id(required=True)
    recognition_id = Id(required=True)
    given_by = Id(required=True)
    given_at = EpochSeconds(required=True)
    comment = ma.fields.String(required=True, allow_none=True)


class Balance(ma.Schema):
    hi5_quota_balance = Count(0, MOST, required=True, metadata={"description": "What is left in this period."})
    resets_at = EpochSeconds(required=True)


class Hi5(ma.Schema):
    user_id = Id(required=True)
    display_name = ma.fields.String(required=True)
    profile_image_url = ma.fields.String(required=True, allow_none=True)
    comment = ma.fields.String(required=True, allow_none=True)
    given_at = EpochSeconds(required=True)


GIVE_RECOGNITION = GiveRecognition()
GIVEN_RECOGNITION = GivenRecognition()
CHANGE_RECOGNITION = ChangeRecognition()
REPLACE_RECOGNITION = ReplaceRecognition()
RECOGNITION = Recognition()
GIVE_HI5 = GiveHi5()
GIVEN_HI5 = GivenHi5()
BALANCE = Balance()
HI5S_QUERY = PageQuery()
HI5 = Hi5()
