"""Bodies and the resource of identity providers."""

from __future__ import annotations

from typing import Any

import marshmallow as ma

from services.auth.domain.providers_addresses import LONGEST_URL
from services.auth.schemas import Strict
from shared.http.fields import Choice, EpochSeconds, Id, Pattern, Text

LONGEST_AUDIENCE = 500
AUDIENCE, AUDIENCE_HINT = "[!-~]+", "Must have printable ASCII characters only, as in the tokens."
CLAIM, CLAIM_HINT = "[A-Za-z0-9_.:/#-]{1,100}", "Must be the name of a claim, such as upn."
STATES = ["pending", "ready", "failing"]


def _issuer(**options: Any) -> Text:
    told = {"description": "Exactly as `iss` in the tokens: an https address, without query."}
    return Text(9, LONGEST_URL, metadata=told, **options)


def _audience(**options: Any) -> Pattern:
    told = {"description": "The one `aud` of the tokens."}
    return Pattern(AUDIENCE, AUDIENCE_HINT, most=LONGEST_AUDIENCE, metadata=told, **options)


def _jwks_uri() -> Text:
    told = {"description": "Where the keys are; from the issuer's discovery document when null."}
    return Text(9, LONGEST_URL, allow_none=True, metadata=told)


def _email_claim() -> Pattern:
    told = {"description": "The claim with a verified e-mail address; `email` with a true `email_verified` when null."}
    return Pattern(CLAIM, CLAIM_HINT, most=100, allow_none=True, metadata=told)


class AddIdentityProvider(Strict):
    issuer = _issuer(required=True)
    audience = _audience(required=True)
    jwks_uri = _jwks_uri()
    email_claim = _email_claim()


class ChangeIdentityProvider(Strict):
    issuer = _issuer()
    audience = _audience()
    jwks_uri = _jwks_uri()
    email_claim = _email_claim()


class IdentityProvider(ma.Schema):
    id = Id(required=True)
    issuer = ma.fields.String(required=True)
    audience = ma.fields.String(required=True)
    jwks_uri = ma.fields.String(required=True, allow_none=True)
    email_claim = ma.fields.String(required=True, allow_none=True)
    state = Choice(STATES, required=True, metadata={"description": "Whether its keys could be fetched the last time."})
    failure = ma.fields.String(required=True, allow_none=True)
    key_ids = ma.fields.List(ma.fields.String(), required=True, metadata={"description": "Keys that verify tokens."})
    fetched_at = EpochSeconds(required=True, allow_none=True)
    created_at = EpochSeconds(required=True)
    last_used_at = EpochSeconds(required=True, allow_none=True)


ADD_IDENTITY_PROVIDER = AddIdentityProvider()
CHANGE_IDENTITY_PROVIDER = ChangeIdentityProvider()
IDENTITY_PROVIDER = IdentityProvider()
