"""What a row of each kind must hold: the API's own fields, and what a CSV file has instead of ids."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import marshmallow as ma

from services.auth.domain.profiles import LONGEST_DISPLAY_NAME
from services.auth.schemas import ChangeProfile, Email
from services.recognition.schemas.core_values import CreateCoreValue
from services.recognition.schemas.recognitions import GiveRecognition
from shared.http.fields import Text
from shared.identity import Role

LONGEST_EXTERNAL_ID = 200
FIRST_SECOND = 100_000_000
"""Smaller integers are dates without dashes (20240105) rather than a recognition of 1973."""


class OrganisationRole(Text):
    """A role within an organisation, by its id or name."""

    default_error_messages = {"role": "Must be 2 (organisation_admin), 3 (employee) or 4 (moderator)."}
    _ROLES = {word: role for role in Role if role is not Role.SUPER_ADMIN for word in (str(int(role)), role.name)}

    def __init__(self, **options: Any) -> None:
        super().__init__(1, 50, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        word = super()._deserialize(value, attr, data, **kwargs).upper().replace(" ", "_")
        if word not in self._ROLES:
            raise self.make_error("role")
        return self._ROLES[word]


class Moment(Text):
    """A moment in ISO 8601, UTC where it names no offset, or in epoch seconds."""

    default_error_messages = {
        "moment": "Must be a date and time such as 2024-03-05T14:30:00+01:00, or epoch seconds.",
        "early": "Is before 1970; use a date such as 2024-03-05, or epoch seconds.",
    }

    def __init__(self, **options: Any) -> None:
        super().__init__(1, 50, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        text = super()._deserialize(value, attr, data, **kwargs)
        try:
            moment = _moment(text)
        except (ValueError, OverflowError, OSError):
            raise self.make_error("moment") from None
        if moment.timestamp() < 0:
            raise self.make_error("early")
        return moment


def _moment(text: str) -> datetime:
    if text.isascii() and text.isdecimal():
        seconds = int(text)
        if seconds < FIRST_SECOND:
            raise ValueError(text)
        return datetime.fromtimestamp(seconds, UTC)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


class PersonRow(ChangeProfile):
    email = Email(required=True)
    display_name = Text(1, LONGEST_DISPLAY_NAME, load_default=None)
    role_id = OrganisationRole(load_default=Role.EMPLOYEE)


class CoreValueRow(CreateCoreValue):
    parent = Text(1, 100, load_default=None)

    @ma.validates_schema
    def _one_parent(self, data: Mapping[str, Any], **_: Any) -> None:
        if data.get("parent") and data.get("parent_core_value_id"):
            raise ma.ValidationError("Give this or parent_core_value_id, not both.", "parent")


class RecognitionRow(GiveRecognition):
    """As the API's, but people are named by address and the core value by its text."""

    class Meta:
        unknown = ma.EXCLUDE
        exclude = ("core_value_id",)

    given_by = Email(required=True)
    given_for = Email(required=True)  # type: ignore[assignment]
    core_value = Text(1, 100, required=True)
    given_at = Moment(required=True)
    external_id = Text(1, LONGEST_EXTERNAL_ID, load_default=None)


PERSON = PersonRow()
CORE_VALUE = CoreValueRow()
RECOGNITION = RecognitionRow()
