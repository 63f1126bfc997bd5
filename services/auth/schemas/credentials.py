"""Bodies and resources of personal tokens, API keys, sign-in by key, scopes and whoami."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from services.auth.domain.names import LONGEST_EMAIL
from services.auth.schemas import LONGEST_GUESS, Secret, Strict
from services.auth.tokens import WAYS
from shared.http.fields import Choice, Count, EpochSeconds, Id, Line, Pattern, Text, Truth
from shared.identity import Role
from shared.identity.claims import MOST_ORIGINS, TYPES
from shared.identity.external_claims import EXTERNAL
from shared.identity.roles import PUBLISHABLE, SCOPES

LONGEST_CREDENTIAL_NAME = 100
LONGEST_GRACE = 86_400
ORIGIN = (
    r"(?!https://[^/]*:443$)(?!http://[^/]*:80$)"
    r"https?://(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(?::[1-9][0-9]{0,4})?"
)
ALL_SCOPES = sorted(SCOPES)
ROLE_NAMES = [role.name.lower() for role in Role]
ONCE = "Shown once: null when the request is repeated with its Idempotency-Key."


def _different(scopes: list[str]) -> None:
    if len(set(scopes)) < len(scopes):
        raise ma.ValidationError("Names a scope twice.")


def _scopes(**options: Any) -> ma.fields.List[Any]:
    some = ma.validate.Length(1, len(SCOPES), error="Must name {min} to {max} scopes.")
    scope = ma.fields.String(validate=ma.validate.OneOf(ALL_SCOPES, error="No such scope; GET /scopes lists them."))
    return ma.fields.List(scope, validate=[some, _different], **options)


class Origin(Pattern):
    """Whose page it is, as a browser writes it into the header `Origin`."""

    def __init__(self) -> None:
        super().__init__(ORIGIN, "Must be an origin such as https://www.example.com: no path, no usual port.")


def _origins(**options: Any) -> ma.fields.List[Any]:
    some = ma.validate.Length(1, MOST_ORIGINS, error="Must name {min} to {max} origins.")
    return ma.fields.List(Origin(), validate=[some, _different_origins], **options)


def _different_origins(origins: list[str]) -> None:
    if len(set(origins)) < len(origins):
        raise ma.ValidationError("Names an origin twice.")


def _name() -> Line:
    return Line(1, LONGEST_CREDENTIAL_NAME, required=True)


class MakePersonalToken(Strict):
    name = _name()
    expires_at = EpochSeconds(required=True, metadata={"description": "Within 365 days."})
    scopes = _scopes(metadata={"description": "All of the caller's own when absent."})


class MakeApiKey(Strict):
    name = _name()
    scopes = _scopes(required=True)
    expires_at = EpochSeconds(metadata={"description": "Within 365 days, which it is when absent."})
    origins = _origins(metadata={"description": "Makes it publishable: whose pages may use it, as browsers name them."})

    @ma.validates_schema
    def publishable(self, data: Mapping[str, Any], **_: Any) -> None:
        """What stands in a page is everybody's."""
        if "origins" in data and not PUBLISHABLE.issuperset(data["scopes"]):
            raise ma.ValidationError(f"A key with origins holds nothing but {', '.join(PUBLISHABLE)}.", "scopes")


class RenameApiKey(Strict):
    name = _name()


class RotateApiKey(Strict):
    grace_seconds = Count(
        0, LONGEST_GRACE, load_default=0, metadata={"description": "How long the key before is accepted beside it."}
    )


class SignInByKey(Strict):
    user_name = Text(1, LONGEST_EMAIL, required=True, data_key="userName")
    password = Secret(1, LONGEST_GUESS, required=True)


class KeySession(ma.Schema):
    token = ma.fields.String(required=True)
    token_type = Choice(["Bearer"], required=True, data_key="tokenType")
    expires_in = Count(0, 60, required=True, data_key="expiresIn", metadata={"description": "Minutes."})


class PersonalToken(ma.Schema):
    id = Id(required=True)
    name = ma.fields.String(required=True)
    scopes = ma.fields.List(ma.fields.String(), required=True)
    expires_at = EpochSeconds(required=True)
    created_at = EpochSeconds(required=True)
    last_used_at = EpochSeconds(required=True, allow_none=True)


class OwnSession(ma.Schema):
    id = Id(required=True)
    began = Choice(WAYS, required=True, metadata={"description": "How: `browser` is the sign-in page of OAuth."})
    created_at = EpochSeconds(required=True)
    expires_at = EpochSeconds(required=True)
    last_used_at = EpochSeconds(required=True, allow_none=True)
    current = Truth(required=True, metadata={"description": "Whether it is the one that asks."})


class NewPersonalToken(PersonalToken):
    token = ma.fields.String(required=True, allow_none=True, metadata={"description": ONCE})


class ApiKey(ma.Schema):
    id = Id(required=True)
    name = ma.fields.String(required=True)
    prefix = ma.fields.String(required=True, metadata={"description": "How the key begins; it tells keys apart."})
    scopes = ma.fields.List(ma.fields.String(), required=True)
    origins = ma.fields.List(
        ma.fields.String(), required=True, allow_none=True, metadata={"description": "Of a publishable key; else null."}
    )
    user_id = Id(required=True, metadata={"description": "For whom it acts: who made or last rotated it."})
    created_at = EpochSeconds(required=True)
    rotated_at = EpochSeconds(required=True, allow_none=True)
    expires_at = EpochSeconds(required=True)
    last_used_at = EpochSeconds(required=True, allow_none=True)


class NewApiKey(ApiKey):
    key = ma.fields.String(required=True, allow_none=True, metadata={"description": ONCE})


class Scope(ma.Schema):
    scope = ma.fields.String(required=True)
    description = ma.fields.String(required=True)
    roles = ma.fields.List(Choice(ROLE_NAMES), required=True, metadata={"description": "The roles that hold it."})


class CallersOrganisation(ma.Schema):
    id = Id(required=True)
    name = ma.fields.String(required=True)


class CallersUser(ma.Schema):
    id = Id(required=True)
    first_name = ma.fields.String(required=True)
    last_name = ma.fields.String(required=True)
    email = ma.fields.String(required=True)
    display_name = ma.fields.String(required=True)
    role_id = Count(1, len(Role), required=True)


class Caller(ma.Schema):
    kind = Choice([*TYPES, EXTERNAL], required=True)
    user = ma.fields.Nested(CallersUser, required=True)
    organisation = ma.fields.Nested(
        CallersOrganisation, required=True, allow_none=True, metadata={"description": "Null for a super admin."}
    )
    scopes = ma.fields.List(ma.fields.String(), required=True)
    expires_at = EpochSeconds(required=True)
    client_id = ma.fields.String(
        required=True, allow_none=True, metadata={"description": "What the person acts through; null in a session."}
    )


MAKE_PERSONAL_TOKEN = MakePersonalToken()
MAKE_API_KEY = MakeApiKey()
RENAME_API_KEY = RenameApiKey()
ROTATE_API_KEY = RotateApiKey()
SIGN_IN_BY_KEY = SignInByKey()
KEY_SESSION = KeySession()
PERSONAL_TOKEN = PersonalToken()
OWN_SESSION = OwnSession()
NEW_PERSONAL_TOKEN = NewPersonalToken()
API_KEY = ApiKey()
NEW_API_KEY = NewApiKey()
SCOPE = Scope()
CALLER = Caller()
