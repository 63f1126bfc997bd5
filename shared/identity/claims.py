"""From a token to its claims: signature, form and times. Everything that PyJWT lets through and we do not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.utils import base64url_decode, base64url_encode

from shared.errors import InvalidToken
from shared.identity.principal import SYSTEM_ORGANISATION, Principal
from shared.identity.roles import PERMISSIONS, PUBLISHABLE, Role

NAMESPACE = "https://peerly.com"
ALGORITHM = "EdDSA"
LEEWAY = timedelta(seconds=30)
LONGEST_TOKEN = 8_192
LARGEST_ID = 2**53 - 1
SESSION = "session"
PERSONAL_TOKEN = "personal_token"
API_KEY = "api_key"
ACCESS_TOKEN = "access_token"
TYPES = {SESSION: "JWT", PERSONAL_TOKEN: "pat+jwt", API_KEY: "api-key+jwt", ACCESS_TOKEN: "at+jwt"}
"""The kinds of credentials with the `typ` of their header."""
KINDS = {name: kind for kind, name in TYPES.items()}
LONGEST_CLIENT_ID = 200
ORIGINS = "origins"
"""The claim that makes an API key a publishable one."""
MOST_ORIGINS, LONGEST_ORIGIN = 10, 200
_HEADER = {"alg", "typ", "kid"}
_CLAIMS = {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", NAMESPACE}
_CLAIMS_OF_CLIENTS = _CLAIMS | {"scope", "client_id"}


@dataclass(frozen=True, slots=True)
class Expected:
    """What `iss` and `aud` must be; access tokens come from the OAuth server, which has a name of its own."""

    issuer: str
    audience: str
    oauth_issuer: str

    def issuer_of(self, kind: str) -> str:
        """The `iss` of this kind of credential."""
        return self.oauth_issuer if kind == ACCESS_TOKEN else self.issuer


def key_id(token: str) -> tuple[str, str]:
    """The key and kind that the header names. Raises `InvalidToken` for any header but exactly ours."""
    head, _, _ = parts_of(token)
    header = json_object(head)
    kid, kind = header.get("kid"), header.get("typ")
    if set(header) != _HEADER or header["alg"] != ALGORITHM or not isinstance(kind, str) or not isinstance(kid, str):
        raise InvalidToken
    if kind not in KINDS:
        raise InvalidToken
    return kid, KINDS[kind]


def parts_of(token: str) -> tuple[str, str, str]:
    """Header, payload and signature, whose spelling has to be the one that signers give it. Raises `InvalidToken`."""
    if len(token) > LONGEST_TOKEN or token.count(".") != 2:
        raise InvalidToken
    header, payload, signature = token.split(".")
    try:
        spelling = base64url_encode(base64url_decode(signature)).decode()
    except ValueError:
        raise InvalidToken from None
    if signature != spelling:
        raise InvalidToken
    return header, payload, signature


def principal_of(token: str, kind: str, key: Ed25519PublicKey, expected: Expected, now: datetime) -> Principal:
    """Checks signature, times, issuer, audience and the form of every claim. Raises `InvalidToken`."""
    try:
        jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False},
        )
    except jwt.PyJWTError:
        raise InvalidToken from None
    claims = json_object(token.split(".")[1])
    names = _names_of(kind, claims)
    if set(claims) != names or claims["iss"] != expected.issuer_of(kind) or claims["aud"] != expected.audience:
        raise InvalidToken
    _check_times(claims, int(now.timestamp()))
    return _principal(claims, kind)


def _names_of(kind: str, claims: Mapping[str, Any]) -> set[str]:
    if kind == SESSION:
        return _CLAIMS
    return _CLAIMS_OF_CLIENTS | ({ORIGINS} if kind == API_KEY and ORIGINS in claims else set())


def _check_times(claims: Mapping[str, Any], now: int) -> None:
    expires, begins, issued = (whole_number(claims[name]) for name in ("exp", "nbf", "iat"))
    leeway = int(LEEWAY.total_seconds())
    if now >= expires + leeway or now < begins - leeway or now < issued - leeway:
        raise InvalidToken


def _principal(claims: Mapping[str, Any], kind: str) -> Principal:
    ours = claims[NAMESPACE]
    if not isinstance(ours, dict) or set(ours) != {"roleId", "orgId", "orgName"}:
        raise InvalidToken
    role = _role(ours["roleId"])
    org_id = _organisation(ours["orgId"], role)
    jti, generation = _session(claims["jti"])
    origins = _origins(claims[ORIGINS]) if ORIGINS in claims else None
    return Principal(
        user_id=_subject(claims["sub"]),
        org_id=org_id,
        org_name=ours["orgName"] if isinstance(ours["orgName"], str) else None,
        role_id=role.value,
        permissions=_permissions(claims, kind, role),
        kind=kind,
        jti=jti,
        generation=generation,
        expires_at=whole_number(claims["exp"]),
        client_id=None if kind == SESSION else _client_id(claims["client_id"]),
        origins=origins,
    )


def _permissions(claims: Mapping[str, Any], kind: str, role: Role) -> frozenset[str]:
    if kind == SESSION:
        return PERMISSIONS[role]
    held = PERMISSIONS[role] & _scopes(claims["scope"])
    return held & PUBLISHABLE if ORIGINS in claims else held


def _origins(value: Any) -> frozenset[str]:
    if not isinstance(value, list) or not 0 < len(value) <= MOST_ORIGINS:
        raise InvalidToken
    if not all(isinstance(one, str) and 0 < len(one) <= LONGEST_ORIGIN for one in value):
        raise InvalidToken
    return frozenset(value)


def _scopes(value: Any) -> frozenset[str]:
    """Scopes that are no more, or not known here yet, open nothing."""
    if not isinstance(value, str):
        raise InvalidToken
    return frozenset(value.split(" "))


def _client_id(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_CLIENT_ID:
        raise InvalidToken
    return value


def json_object(part: str) -> dict[str, Any]:
    """A part of a token as an object of one meaning: no name twice, no NaN. Raises `InvalidToken`."""
    try:
        text = base64url_decode(part).decode()
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise InvalidToken from None
    if not isinstance(value, dict):
        raise InvalidToken
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _refuse(constant: str) -> float:
    raise ValueError(constant)


def whole_number(value: Any) -> int:
    """An integer that is not negative and is exact in JSON. Raises `InvalidToken`."""
    if type(value) is not int or not 0 <= value <= LARGEST_ID:
        raise InvalidToken
    return value


def _subject(value: Any) -> int:
    if not isinstance(value, str) or not value.isascii() or not value.isdecimal() or value[0] == "0":
        raise InvalidToken
    return whole_number(int(value[:17]))


def _role(value: Any) -> Role:
    try:
        return Role(whole_number(value))
    except ValueError:
        raise InvalidToken from None


def _organisation(value: Any, role: Role) -> int:
    if role is Role.SUPER_ADMIN:
        if value is not None:
            raise InvalidToken
        return SYSTEM_ORGANISATION
    if whole_number(value) == SYSTEM_ORGANISATION:
        raise InvalidToken
    return int(value)


def _session(value: Any) -> tuple[str, int]:
    generation, dot, rest = value.partition(".") if isinstance(value, str) else ("", "", "")
    if not dot or not rest or not generation.isascii() or not generation.isdecimal() or len(value) > 200:
        raise InvalidToken
    return value, whole_number(int(generation[:17]))
