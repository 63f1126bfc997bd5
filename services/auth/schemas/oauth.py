"""Forms and queries of OAuth 2.0 in, its documents out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma

from services.auth.domain.names import LONGEST_EMAIL
from services.auth.domain.oauth import LONGEST_URI, flaw_of_redirect_uri
from services.auth.schemas import LONGEST_GUESS, Secret, Strict
from shared.http.fields import Choice, EpochSeconds, Id, Line, Text, Truth
from shared.identity.roles import SCOPES

MOST_REDIRECT_URIS = 20
LONGEST_VALUE = 4_096
LONGEST_TOKEN = 8_192


class RedirectUri(ma.fields.String):
    """An address that an application may be answered at."""

    def __init__(self, **options: Any) -> None:
        super().__init__(validate=ma.validate.Length(1, LONGEST_URI), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        uri = str(super()._deserialize(value, attr, data, **kwargs))
        flaw = flaw_of_redirect_uri(uri)
        if flaw is not None:
            raise ma.ValidationError(flaw)
        return uri


def _different(values: list[str]) -> None:
    if len(set(values)) < len(values):
        raise ma.ValidationError("Names one twice.")


def _redirect_uris(**options: Any) -> ma.fields.List[Any]:
    few = ma.validate.Length(0, MOST_REDIRECT_URIS, error="Takes at most {max} addresses.")
    return ma.fields.List(RedirectUri(), validate=[few, _different], **options)


def _scopes(**options: Any) -> ma.fields.List[Any]:
    some = ma.validate.Length(1, len(SCOPES), error="Must name at least one scope.")
    return ma.fields.List(Choice(sorted(SCOPES)), validate=[some, _different], **options)


def _value(most: int = LONGEST_VALUE, **options: Any) -> ma.fields.String:
    """A parameter as it was sent: neither trimmed nor changed."""
    return ma.fields.String(
        validate=ma.validate.Length(0, most, error="Must have at most {max} characters."), **options
    )


class ChangeOAuthClient(Strict):
    name = Line(1, 200)
    redirect_uris = _redirect_uris()
    scopes = _scopes()


class WriteOAuthClient(ChangeOAuthClient):
    name = Line(1, 200, required=True)
    redirect_uris = _redirect_uris(required=True)
    scopes = _scopes(required=True)
    confidential = Truth(
        load_default=True, metadata={"description": "false: it can keep no secret and proves itself by PKCE alone."}
    )


class OAuthClient(ma.Schema):
    id = Id(required=True)
    client_id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)
    confidential = Truth(required=True)
    redirect_uris = ma.fields.List(ma.fields.String(), required=True)
    scopes = ma.fields.List(ma.fields.String(), required=True)
    created_at = EpochSeconds(required=True)
    last_used_at = EpochSeconds(required=True, allow_none=True)


class OAuthClientWithSecret(OAuthClient):
    client_secret = ma.fields.String(metadata={"description": "Shown once; public applications have none."})


class GrantedApplication(ma.Schema):
    client_id = ma.fields.String(required=True)
    name = ma.fields.String(required=True)


class OAuthGrant(ma.Schema):
    id = Id(required=True)
    application = ma.fields.Nested(GrantedApplication, required=True)
    scopes = ma.fields.List(ma.fields.String(), required=True)
    since = EpochSeconds(required=True)
    last_used_at = EpochSeconds(required=True, allow_none=True)


class AuthorizeQuery(Strict):
    client_id = _value(200)
    redirect_uri = _value(LONGEST_URI)
    response_type = _value(200, metadata={"description": "`code`."})
    scope = _value(metadata={"description": "Separated by spaces; all of the application's when absent."})
    state = _value(metadata={"description": "Comes back unchanged; at most 1,000 printable ASCII characters."})
    code_challenge = _value(200)
    code_challenge_method = _value(200, metadata={"description": "`S256`."})
    prompt = _value(200, metadata={"description": "`consent`: ask again, even for what is allowed already."})


class AuthorizeForm(Strict):
    csrf_token = _value(200)
    username = Text(0, LONGEST_EMAIL)
    password = Secret(0, LONGEST_GUESS)
    decision = Choice(["allow", "deny", "switch"])


class _ByClient(Strict):
    client_id = _value(200, metadata={"description": "Where it is not in the Authorization header (HTTP Basic)."})
    client_secret = _value(200)


class TokenForm(_ByClient):
    grant_type = _value(
        200, required=True, metadata={"description": "`authorization_code`, `refresh_token` or `client_credentials`."}
    )
    code = _value(LONGEST_TOKEN)
    redirect_uri = _value(LONGEST_URI)
    code_verifier = _value(LONGEST_TOKEN)
    refresh_token = _value(LONGEST_TOKEN)
    scope = _value()


class NamedTokenForm(_ByClient):
    token = _value(LONGEST_TOKEN, required=True)
    token_type_hint = _value(200)


class OAuthTokens(ma.Schema):
    access_token = ma.fields.String(required=True)
    token_type = Choice(["Bearer"], required=True)
    expires_in = ma.fields.Integer(required=True, metadata={"description": "Seconds."})
    scope = ma.fields.String(required=True)
    refresh_token = ma.fields.String()


class OAuthIntrospection(ma.Schema):
    active = Truth(required=True)
    scope = ma.fields.String()
    client_id = ma.fields.String()
    token_type = ma.fields.String()
    sub = ma.fields.String()
    aud = ma.fields.String()
    iss = ma.fields.String()
    jti = ma.fields.String()
    exp = EpochSeconds()
    iat = EpochSeconds()


class OAuthProblem(ma.Schema):
    error = ma.fields.String(required=True)
    error_description = ma.fields.String(required=True)


class OAuthServerMetadata(ma.Schema):
    issuer = ma.fields.String(required=True)
    authorization_endpoint = ma.fields.String(required=True)
    token_endpoint = ma.fields.String(required=True)
    revocation_endpoint = ma.fields.String(required=True)
    introspection_endpoint = ma.fields.String(required=True)
    jwks_uri = ma.fields.String(required=True)
    service_documentation = ma.fields.String(required=True)
    scopes_supported = ma.fields.List(ma.fields.String(), required=True)
    response_types_supported = ma.fields.List(ma.fields.String(), required=True)
    response_modes_supported = ma.fields.List(ma.fields.String(), required=True)
    grant_types_supported = ma.fields.List(ma.fields.String(), required=True)
    code_challenge_methods_supported = ma.fields.List(ma.fields.String(), required=True)
    token_endpoint_auth_methods_supported = ma.fields.List(ma.fields.String(), required=True)
    revocation_endpoint_auth_methods_supported = ma.fields.List(ma.fields.String(), required=True)
    introspection_endpoint_auth_methods_supported = ma.fields.List(ma.fields.String(), required=True)
    authorization_response_iss_parameter_supported = Truth(required=True)
    ui_locales_supported = ma.fields.List(ma.fields.String(), required=True)


CHANGE_CLIENT = ChangeOAuthClient()
WRITE_CLIENT = WriteOAuthClient()
CLIENT = OAuthClient()
CLIENT_WITH_SECRET = OAuthClientWithSecret()
GRANT = OAuthGrant()
AUTHORIZE_QUERY = AuthorizeQuery()
AUTHORIZE_FORM = AuthorizeForm()
TOKEN_FORM = TokenForm()
NAMED_TOKEN_FORM = NamedTokenForm()
TOKENS = OAuthTokens()
INTROSPECTION = OAuthIntrospection()
OAUTH_PROBLEM = OAuthProblem()
SERVER_METADATA = OAuthServerMetadata()
