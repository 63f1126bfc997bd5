"""The documents of an identity provider: its discovery, and the keys that it signs with."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, cast

import jwt
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from shared.contracts.providers import ProviderAlgorithm, ProviderKey
from shared.identity.external_claims import LONGEST_KEY_ID, Key, trusted_key

MOST_KEYS = 50
LONGEST_NUMBER = 2_048
_ALGORITHMS: Mapping[tuple[str, str | None], Mapping[str | None, ProviderAlgorithm]] = {
    ("RSA", None): {None: "RS256", "RS256": "RS256", "PS256": "PS256"},
    ("EC", "P-256"): {None: "ES256", "ES256": "ES256"},
    ("OKP", "Ed25519"): {None: "EdDSA", "EdDSA": "EdDSA", "Ed25519": "EdDSA"},
}
"""By a key's type and curve: what it verifies, by the algorithm that it names; RS256 is OpenID Connect's own choice."""
_NUMBERS = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
_READ: Mapping[str, Callable[[dict[str, Any]], Any]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}


class ProviderFailure(Exception):
    """A provider does not give its keys; the text tells its organisation's admin why."""


def jwks_uri_of(discovery: Mapping[str, Any], issuer: str) -> str:
    """Where the keys are. Raises `ProviderFailure` for the discovery document of another issuer."""
    if discovery.get("issuer") != issuer:
        raise ProviderFailure("The discovery document names another issuer")
    uri = discovery.get("jwks_uri")
    if not isinstance(uri, str):
        raise ProviderFailure("The discovery document names no jwks_uri")
    return uri


def keys_of(document: Mapping[str, Any]) -> tuple[ProviderKey, ...]:
    """The keys that may verify signatures. Raises `ProviderFailure` when there is none.

    A name that two of them have is no name.
    """
    told = document.get("keys")
    if not isinstance(told, list) or len(told) > MOST_KEYS:
        raise ProviderFailure(f"The key set is no list of at most {MOST_KEYS} keys")
    found = [key for key in map(_key, told) if key is not None]
    times = Counter(key.kid for key in found)
    keys = tuple(key for key in found if times[key.kid] == 1)
    if not keys:
        raise ProviderFailure("The key set has no key for RS256, PS256, ES256 or EdDSA")
    return keys


def _key(jwk: Any) -> ProviderKey | None:
    if not isinstance(jwk, dict) or not _is_for_signatures(jwk):
        return None
    kind, curve, kid, named = (jwk.get(name) for name in ("kty", "crv", "kid", "alg"))
    if not all(word is None or isinstance(word, str) for word in (kind, curve, kid, named)):
        return None
    if kid is not None and (not 0 < len(kid) <= LONGEST_KEY_ID or not kid.isprintable()):
        return None
    algorithm = _ALGORITHMS.get((str(kind), None if kind == "RSA" else curve), {}).get(named)
    spki = None if algorithm is None else _spki(jwk, str(kind))
    if algorithm is None or spki is None or trusted_key(algorithm, spki) is None:
        return None
    return ProviderKey(kid=kid or f"sha256:{sha256(spki.encode()).hexdigest()}", algorithm=algorithm, spki=spki)


def _is_for_signatures(jwk: Mapping[str, Any]) -> bool:
    """A private key in the open is nobody's alone any more."""
    operations = jwk.get("key_ops", ["verify"])
    return jwk.get("use", "sig") == "sig" and isinstance(operations, list) and "verify" in operations and "d" not in jwk


def _spki(jwk: Mapping[str, Any], kind: str) -> str | None:
    numbers = {name: jwk.get(name) for name in _NUMBERS[kind]}
    if any(not isinstance(number, str) or len(number) > LONGEST_NUMBER for number in numbers.values()):
        return None
    public = {"kty": kind, **numbers} | ({} if kind == "RSA" else {"crv": jwk["crv"]})
    try:
        key = cast(Key, _READ[kind](public))
    except (jwt.PyJWTError, ValueError):
        return None
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
