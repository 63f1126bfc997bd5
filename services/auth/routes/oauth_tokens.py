"""What applications call: tokens, their end, what they are worth, and where everything is."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote_plus

import jwt
from aiohttp import hdrs, web

from services.auth.commands.endings import Ending
from services.auth.commands.oauth_clients import proven_client
from services.auth.commands.oauth_tokens import Giving, Redemption, Tokens
from services.auth.domain.oauth import ACCESS_LASTS, GRANTABLE, InvalidClient, InvalidGrant, OAuthError, held_by
from services.auth.routes.answering import write_and_tell
from services.auth.routes.oauth_failures import AS_OAUTH, NO_STORE, problem
from services.auth.schemas import NOTHING
from services.auth.schemas import oauth as schemas
from services.auth.store import people
from services.auth.store.oauth_clients import Client, secret_hash
from services.auth.store.oauth_grants import find_refresh_token
from services.auth.tokens import Signer
from shared.database import Connection
from shared.errors import InvalidToken, Unavailable
from shared.http import Answer, Call, operation
from shared.identity import PUBLIC
from shared.identity.claims import ACCESS_TOKEN

TAG = "OAuth"
INVALID = "The request is not well-formed"
BASIC_OR_BODY = "The application proves itself by HTTP Basic, or by client_id and client_secret in the form."
AUTHENTICATION = ["client_secret_basic", "client_secret_post"]
_BASIC = re.compile(r"Basic +([A-Za-z0-9+/=]+) *", re.IGNORECASE)


@operation(
    summary="Tokens for a code, for a refresh token, or for the application itself",
    description=f"{BASIC_OR_BODY} Codes and refresh tokens work once; again, they end what was given for them.",
    permission=PUBLIC,
    body=schemas.TOKEN_FORM,
    form=True,
    answers={200: schemas.TOKENS},
    refuses=(InvalidClient,),
    invalid=INVALID,
    tag=TAG,
    enveloped=False,
    idempotent=False,
    failures=AS_OAUTH,
    during_maintenance=True,
)
async def give_tokens(call: Call) -> Answer:
    client = await _client(call)
    give = GRANT_TYPES.get(call.body["grant_type"])
    if give is None:
        raise OAuthError("unsupported_grant_type", f"Grant types are {', '.join(GRANT_TYPES)}")

    async def effect(tx: Connection, ending: Ending) -> Answer:
        given = await give(call, _giving(call, tx, client, ending))
        return problem(given) if isinstance(given, OAuthError) else _told(given)

    return await write_and_tell(call, effect)


async def _for_code(call: Call, giving: Giving) -> Tokens | InvalidGrant:
    redemption = Redemption(*(_needed(call, name) for name in ("code", "redirect_uri", "code_verifier")))
    return await giving.redeem(redemption)


async def _for_refresh_token(call: Call, giving: Giving) -> Tokens | InvalidGrant:
    return await giving.refresh(_needed(call, "refresh_token"), call.body.get("scope"))


async def _for_client(call: Call, giving: Giving) -> Tokens:
    return await giving.for_itself(call.body.get("scope"))


GRANT_TYPES: dict[str, Callable[[Call, Giving], Awaitable[Tokens | InvalidGrant]]] = {
    "authorization_code": _for_code,
    "refresh_token": _for_refresh_token,
    "client_credentials": _for_client,
}


@operation(
    summary="End a token",
    description=f"{BASIC_OR_BODY} With a refresh token ends all that was given for the same code.",
    permission=PUBLIC,
    body=schemas.NAMED_TOKEN_FORM,
    form=True,
    answers={200: NOTHING},
    refuses=(InvalidClient, Unavailable),
    invalid=INVALID,
    tag=TAG,
    enveloped=False,
    idempotent=False,
    failures=AS_OAUTH,
    during_maintenance=True,
)
async def revoke_token(call: Call) -> Answer:
    client, token = await _client(call), call.body["token"]

    async def effect(tx: Connection, ending: Ending) -> Answer:
        if not await _giving(call, tx, client, ending).end(token):
            claims = _claims(call, client, token)
            if claims is not None:
                await ending.of_credential(tx, claims["jti"], claims["exp"])
        return Answer(200, {}, headers=NO_STORE, enveloped=False)

    return await write_and_tell(call, effect)


@operation(
    summary="What a token of one's own is worth",
    description=f"{BASIC_OR_BODY} For confidential applications; others' tokens are not active.",
    permission=PUBLIC,
    body=schemas.NAMED_TOKEN_FORM,
    form=True,
    answers={200: schemas.INTROSPECTION},
    refuses=(InvalidClient,),
    invalid=INVALID,
    tag=TAG,
    enveloped=False,
    idempotent=False,
    failures=AS_OAUTH,
    during_maintenance=True,
)
async def introspect_token(call: Call) -> Answer:
    client, token = await _client(call), call.body["token"]
    if not client.is_confidential:
        raise InvalidClient
    claims = _claims(call, client, token)
    told = await _refresh_token(call, client, token) if claims is None else _described(claims)
    return Answer(200, told or {"active": False}, headers=NO_STORE, enveloped=False)


@operation(
    summary="Where everything is, and what is supported (RFC 8414)",
    permission=PUBLIC,
    answers={200: schemas.SERVER_METADATA},
    tag=TAG,
    enveloped=False,
)
async def describe_server(call: Call) -> Answer:
    issuer = call.context.settings.public_url
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "service_documentation": f"{issuer}/docs",
        "scopes_supported": sorted(GRANTABLE),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": [*AUTHENTICATION, "none"],
        "revocation_endpoint_auth_methods_supported": [*AUTHENTICATION, "none"],
        "introspection_endpoint_auth_methods_supported": AUTHENTICATION,
        "authorization_response_iss_parameter_supported": True,
        "ui_locales_supported": ["en"],
    }
    return Answer(200, document, headers={"Cache-Control": "public, max-age=300"}, enveloped=False)


async def _client(call: Call) -> Client:
    """Who asks, whose organisation the call then works for. Raises `OAuthError`."""
    client_id, secret = _credentials(call.request, call.body)
    client = await proven_client(call.context.database, client_id, secret)
    call.org_id = client.org_id
    return client


def _credentials(request: web.Request, body: dict[str, Any]) -> tuple[str | None, str | None]:
    """By HTTP Basic or the form; what other schemes carry, a person's token say, proves no application."""
    sent = request.headers.getall(hdrs.AUTHORIZATION, [])
    if len(sent) > 1:
        raise InvalidClient
    header = sent[0] if sent else ""
    if not header.lower().startswith("basic"):
        return body.get("client_id"), body.get("client_secret")
    client_id, secret = _basic(header)
    if "client_secret" in body or body.get("client_id", client_id) != client_id:
        raise OAuthError("invalid_request", "Prove yourself in one way: by the header or by the form")
    return client_id, secret


def _basic(header: str) -> tuple[str, str]:
    found = _BASIC.fullmatch(header)
    try:
        decoded = base64.b64decode(found.group(1), validate=True).decode() if found else ""
    except ValueError:
        raise InvalidClient from None
    client_id, colon, secret = decoded.partition(":")
    if not colon:
        raise InvalidClient
    return unquote_plus(client_id), unquote_plus(secret)


def _needed(call: Call, name: str) -> str:
    value: str | None = call.body.get(name)
    if value is None:
        raise OAuthError("invalid_request", f"{name} is missing")
    return value


def _giving(call: Call, tx: Connection, client: Client, ending: Ending) -> Giving:
    return Giving(tx, client, call.context.get(Signer), call.context.clock, ending)


def _told(tokens: Tokens) -> Answer:
    document: dict[str, Any] = {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": int(ACCESS_LASTS.total_seconds()),
        "scope": " ".join(sorted(tokens.scopes)),
    }
    if tokens.refresh_token is not None:
        document["refresh_token"] = tokens.refresh_token
    return Answer(200, document, headers=NO_STORE, enveloped=False)


def _claims(call: Call, client: Client, token: str) -> dict[str, Any] | None:
    """What a valid access token of this application says."""
    try:
        principal = call.context.verifier.verify(token)
    except InvalidToken:
        return None
    if principal.kind != ACCESS_TOKEN or principal.client_id != client.client_id:
        return None
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _described(claims: dict[str, Any]) -> dict[str, Any]:
    told = {name: claims[name] for name in ("scope", "client_id", "sub", "aud", "iss", "jti", "exp", "iat")}
    return {"active": True, "token_type": "Bearer", **told}


async def _refresh_token(call: Call, client: Client, token: str) -> dict[str, Any] | None:
    async with call.read() as tx:
        found = await find_refresh_token(tx, secret_hash(token), call.context.clock())
        person = None if found is None else await people.find_person(tx, found["user_id"])
    if found is None or person is None or found["application"] != client.id:
        return None
    if not person.is_present or person.generation != found["generation"]:
        return None
    scopes = held_by(person.role, frozenset(found["scopes"]) & client.scopes)
    return {
        "active": True,
        "scope": " ".join(sorted(scopes)),
        "client_id": client.client_id,
        "sub": str(person.id),
        "exp": int(found["expires_at"].timestamp()),
    }
