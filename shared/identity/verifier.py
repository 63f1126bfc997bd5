"""Verifies bearer tokens in memory: known keys, known revocations, and a cache of tokens already verified."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.utils import base64url_decode

from shared.clock import Clock
from shared.errors import InvalidToken
from shared.identity.claims import API_KEY, LEEWAY, Expected, key_id, principal_of
from shared.identity.principal import Principal

CACHED_TOKENS = 20_000
LEEWAY_SECONDS = LEEWAY.total_seconds()


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signs valid tokens; `x` as in its JWK; not used after `not_after`."""

    kid: str
    x: str
    not_after: datetime | None


@dataclass(frozen=True, slots=True)
class Revocation:
    """Refused credentials: `jti:<jti>`, `client:<client_id>`, `user:<id>` up to a generation, or `organisation:<id>`.

    `effective_at` (epoch seconds): until then they are still accepted.
    """

    credential: str
    min_generation: int | None
    lifted: bool
    effective_at: int = 0


class _Verified(NamedTuple):
    """A token's owner, the key that it was signed with, and what a revocation of it would be called."""

    kid: str
    principal: Principal
    names: tuple[str, ...]


class Verifier:
    """Turns a token into a `Principal` or refuses it; never awaits."""

    def __init__(self, expected: Expected, clock: Clock) -> None:
        self._expected = expected
        self._clock = clock
        self._keys: dict[str, tuple[PublicKey, Ed25519PublicKey]] = {}
        self._revoked: dict[str, Revocation] = {}
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()

    @property
    def has_keys(self) -> bool:
        """Whether any public key is known; without one every token is refused."""
        return bool(self._keys)

    def verify(self, token: str) -> Principal:
        """The owner of a valid token. Raises `InvalidToken`."""
        now = self._clock()
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        found = self._verified.get(digest) or self._check(token, digest, now)
        key = self._keys.get(found.kid)
        seconds = now.timestamp()
        if (
            key is None
            or (key[0].not_after is not None and now > key[0].not_after)
            or seconds >= found.principal.expires_at + LEEWAY_SECONDS
            or self._is_revoked(found.principal, found.names, seconds)
        ):
            self._verified.pop(digest, None)
            raise InvalidToken
        return found.principal

    def refuses(self, principal: Principal) -> bool:
        """Whether a credential that was verified elsewhere has been revoked."""
        return self._is_revoked(principal, _names_of(principal), self._clock().timestamp())

    def is_outdated(self, principal: Principal) -> bool:
        """Whether it was verified before its owner's password, role or state was changed last."""
        return self._older(principal) is not None

    def use_keys(self, keys: Iterable[PublicKey]) -> None:
        """Replaces all known keys."""
        fresh = {key.kid: key for key in keys}
        if fresh != {kid: known for kid, (known, _) in self._keys.items()}:
            self._keys = {
                kid: (key, Ed25519PublicKey.from_public_bytes(base64url_decode(key.x))) for kid, key in fresh.items()
            }
            self._verified.clear()

    def note(self, revocations: Iterable[Revocation]) -> None:
        """Takes revocations in, or out where they are lifted."""
        for revocation in revocations:
            if revocation.lifted:
                self._revoked.pop(revocation.credential, None)
            else:
                self._revoked[revocation.credential] = revocation

    def revocations(self) -> list[Revocation]:
        """What is known now."""
        return list(self._revoked.values())

    def forget(self, revocations: Iterable[Revocation]) -> None:
        """Drops what is no longer on record, since all it covered has expired; what was noted since then stays."""
        for revocation in revocations:
            if self._revoked.get(revocation.credential) is revocation:
                del self._revoked[revocation.credential]

    def _check(self, token: str, digest: bytes, now: datetime) -> _Verified:
        kid, kind = key_id(token)
        key = self._keys.get(kid)
        if key is None:
            raise InvalidToken
        principal = principal_of(token, kind, key[1], self._expected, now)
        found = self._verified[digest] = _Verified(kid, principal, _names_of(principal))
        if len(self._verified) > CACHED_TOKENS:
            self._verified.popitem(last=False)
        return found

    def _is_revoked(self, principal: Principal, names: tuple[str, ...], now: float) -> bool:
        if not self._revoked:
            return False
        refused = [self._revoked.get(name) for name in names]
        if principal.kind != API_KEY:
            refused.append(self._older(principal))
        return any(one is not None and one.effective_at <= now for one in refused)

    def _older(self, principal: Principal) -> Revocation | None:
        """API keys are the organisation's: they outlive their maker's passwords, and are revoked one by one."""
        known = self._revoked.get(f"user:{principal.user_id}")
        return known if known is not None and principal.generation < (known.min_generation or 0) else None


def _names_of(principal: Principal) -> tuple[str, ...]:
    names = f"jti:{principal.jti}", f"organisation:{principal.org_id}"
    return names if principal.client_id is None else (*names, f"client:{principal.client_id}")
