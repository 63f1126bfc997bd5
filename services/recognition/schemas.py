"""Bodies and queries in, resources out."""

from __future__ import annotations

import marshmallow as ma

from shared.http import PageQuery
from shared.http.fields import Choice, Count, EpochSeconds, HttpsUrl, Id, IdList, Text, Truth

MOST = 2**53 - 1


class ReplaceCoreValue(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    text = Text(1, 100, required=True)
    description = Text(1, 1000, required=True)


class CreateCoreValue(ReplaceCoreValue):
    parent_core_value_id = Id(allow_none=True, load_default=None)
    thumbnail = HttpsUrl(allow_none=True, load_default=None)


class ChangeCoreValue(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    text = Text(1, 100)
    description = Text(1, 1000)
    parent_core_value_id = Id(allow_none=True)
    thumbnail = HttpsUrl(allow_none=True)


class CoreValueQuery(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    tree = Truth(from_text=True, load_default=False, metadata={"description": "true: each with its `children`."})


class CoreValue(ma.Schema):
    id = Id(required=True)
    text = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    parent_core_value_id = Id(required=True, allow_none=True)
    org_id = Id(required=True)
    thumbnail = ma.fields.String(required=True, allow_none=True)


class ListedCoreValue(CoreValue):
    children = ma.fields.List(ma.fields.Nested("ListedCoreValue"), metadata={"description": "Only with `?tree=true`."})


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


REPLACE_CORE_VALUE = ReplaceCoreValue()
CREATE_CORE_VALUE = CreateCoreValue()
CHANGE_CORE_VALUE = ChangeCoreValue()
CORE_VALUE = CoreValue()
LISTED_CORE_VALUE = ListedCoreValue()
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
