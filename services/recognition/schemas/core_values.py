"""Core values in and out."""

from __future__ import annotations

import marshmallow as ma

from shared.http.fields import HttpsUrl, Id, Text, Truth


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


REPLACE_CORE_VALUE = ReplaceCoreValue()
CREATE_CORE_VALUE = CreateCoreValue()
CHANGE_CORE_VALUE = ChangeCoreValue()
CORE_VALUE = CoreValue()
LISTED_CORE_VALUE = ListedCoreValue()
