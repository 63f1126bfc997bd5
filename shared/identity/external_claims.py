"""From a token of an organisation's identity provider to who it speaks of: signature, form, times, address."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from shared.errors import InvalidToken
from shared.identity.claims import LEEWAY, json_object, parts_of, whole_number

EXTERNAL = "external"
"""The kind of principal that such a token makes."""
EMAIL = "email"
LONGEST_LIFE = timedelta(days=1)
"""From `iat` to `exp`: a token that was lost is refused then by itself, and its revocation is kept no longer."""
LONGEST_SUBJECT, LONGEST_EMAIL, LONGEST_KEY_ID = 255, 254, 200
LONGEST_NAME = 2_000
SHORTEST_RSA, LONGEST_RSA = 2_048, 8_192
Key: TypeAlias = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
_HEADER = {"alg", "typ", "kid", "x5t", "x5t#S256"}
"""What a header may hold; the thumbprints only name the key once more. What would choose or bring a key is refused."""
_TYPES = {"jwt", "at+jwt", "application/at+jwt"}
_OTHER_USES = {"events", "cnf"}
"""Claims of tokens that sign nobody in: logout and security events, and those that only their key's holder may show."""
_LOCAL_PART = re.compile(r"[^\s@\"(),:;<>\[\]\\\x00-\x1f\x7f]{1,64}")
_UNSTORABLE = re.compile("[\0-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A provider's public key and the only algorithm that it verifies."""

    algorithm: str
    key: Key


@dataclass(frozen=True, slots=True)
class Provider:
    """Whose tokens an organisation trusts; `fetched_at` (epoch seconds) is when its keys were asked for, 0 before."""

    id: int
    organisation_id: int
    organisation_name: str
    domains: frozenset[str]
    issuer: str
    audience: str
    email_claim: str | None
    keys: Mapping[str, TrustedKey] = field(hash=False)
    fetched_at: float
    version: int


@dataclass(frozen=True, slots=True)
class Named:
    """What a token says of itself, of which nothing is proven yet; a provider with one key need not name it."""

    issuer: str
    audience: str
    key_id: str | None
    algorithm: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody for whom a provider vouches; `expires_at` in epoch seconds.

    `jti` stands for exactly this token, whoever trusts its issuer: a provider that is added anew revives none.
    """

    provider_id: int
    subject: str
    email: str
    names: Mapping[str, str] = field(hash=False)
    jti: str
    expires_at: int


def trusted_key(algorithm: str, spki: str) -> TrustedKey | None:
    """A key as events and tables carry it; None unless it is a strong one of the algorithm's own kind."""
    try:
        key = load_der_public_key(base64.b64decode(spki, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        return None
    match algorithm, key:
        case (("RS256" | "PS256"), RSAPublicKey()) if SHORTEST_RSA <= key.key_size <= LONGEST_RSA:
            return TrustedKey(algorithm, key)
        case "ES256", EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            return TrustedKey(algorithm, key)
        case "EdDSA", Ed25519PublicKey():
            return TrustedKey(algorithm, key)
    return None


def named_by(token: str) -> Named:
    """Reads which provider and key a token claims. Raises `InvalidToken` for what cannot be a token of any."""
    head, payload, _ = parts_of(token)
    header, claims = json_object(head), json_object(payload)
    kind = header.get("typ", "JWT")
    if set(header) - _HEADER or not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise InvalidToken
    return Named(
        issuer=_text(claims.get("iss"), LONGEST_NAME),
        audience=_audience(claims.get("aud")),
        key_id=_text(header["kid"], LONGEST_KEY_ID) if "kid" in header else None,
        algorithm=_text(header.get("alg"), LONGEST_KEY_ID),
    )


def provider_named(token: str, trusted: Sequence[Provider]) -> Provider:
    """Of the providers with the token's issuer and audience the one of the organisation that has the address's domain.

    A domain is one organisation's, and each has keys of its own: whom an organisation trusts speaks for nobody else's
    people. Raises `InvalidToken` where none has it, or two by different claims.
    """
    if len(trusted) == 1:
        return trusted[0]
    claims = json_object(token.split(".")[1])
    fitting = [one for one in trusted if _domain_of(claims.get(one.email_claim or EMAIL)) in one.domains]
    if len(fitting) != 1:
        raise InvalidToken
    return fitting[0]


def key_named(provider: Provider, named: Named) -> TrustedKey | None:
    """The key that a token names; without a name, the only one that there is."""
    if named.key_id is None:
        return next(iter(provider.keys.values())) if len(provider.keys) == 1 else None
    return provider.keys.get(named.key_id)


def is_signed(token: str, trusted: TrustedKey) -> bool:
    """Whether the key made the token's signature, by its own algorithm."""
    try:
        jwt.PyJWS().decode(token, trusted.key, algorithms=[trusted.algorithm])
    except jwt.PyJWTError:
        return False
    return True


def identity_of(token: str, provider: Provider, now: datetime) -> Identity:
    """Checks times and claims of a token that is signed by this provider. Raises `InvalidToken`."""
    signed, _, _ = token.rpartition(".")
    claims = json_object(signed.partition(".")[2])
    if claims.get("iss") != provider.issuer or _audience(claims.get("aud")) != provider.audience:
        raise InvalidToken
    if _OTHER_USES & set(claims):
        raise InvalidToken
    digest = base64.urlsafe_b64encode(hashlib.sha256(signed.encode()).digest()).rstrip(b"=").decode()
    return Identity(
        provider_id=provider.id,
        subject=_text(claims.get("sub"), LONGEST_SUBJECT),
        email=_email(claims, provider),
        names={name: _told(claims.get(name)) for name in ("name", "given_name", "family_name", "picture")},
        jti=f"{EXTERNAL}:{digest}",
        expires_at=_checked_times(claims, int(now.timestamp())),
    )


def _audience(value: Any) -> str:
    """One audience and no other: who else is named could show the token here as well."""
    if isinstance(value, list) and len(value) == 1:
        return _text(value[0], LONGEST_NAME)
    return _text(value, LONGEST_NAME)


def _checked_times(claims: Mapping[str, Any], now: int) -> int:
    expires, issued = whole_number(claims.get("exp")), whole_number(claims.get("iat"))
    begins = whole_number(claims.get("nbf", issued))
    leeway = int(LEEWAY.total_seconds())
    if now >= expires + leeway or now < begins - leeway or now < issued - leeway:
        raise InvalidToken
    if expires - issued > int(LONGEST_LIFE.total_seconds()):
        raise InvalidToken
    return expires


def _email(claims: Mapping[str, Any], provider: Provider) -> str:
    """The verified address, of a domain of the organisation; another claim that its admin chose needs no more."""
    claim = provider.email_claim or EMAIL
    if claim == EMAIL and not _is_verified(claims.get("email_verified")):
        raise InvalidToken
    email = _text(claims.get(claim), LONGEST_EMAIL)
    if not _LOCAL_PART.fullmatch(email.rpartition("@")[0]) or _domain_of(email) not in provider.domains:
        raise InvalidToken
    return email


def _domain_of(email: Any) -> str:
    """As domains are compared; nothing where there is none."""
    domain = email.rpartition("@")[2] if isinstance(email, str) else ""
    # Only ASCII has one lower case: a Kelvin sign becomes a k.
    return domain.lower() if domain.isascii() else domain


def _is_verified(word: Any) -> bool:
    """JSON's true, or the text by which some providers write it; 1 is neither."""
    return word is True or (isinstance(word, str) and word == "true")


def _text(value: Any, most: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most or _UNSTORABLE.search(value):
        raise InvalidToken
    return value


def _told(value: Any) -> str:
    """A name that auth may use; whatever is no plain text is none."""
    if not isinstance(value, str) or len(value) > LONGEST_NAME:
        return ""
    return "".join(character for character in value if character.isprintable()).strip()
