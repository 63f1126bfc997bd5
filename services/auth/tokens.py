"""Signs session tokens with the newest key whose time has come."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.auth.keys import CannotOpen, Vault
from shared.clock import Clock
from shared.database import Connection
from shared.errors import Unavailable
from shared.identity.claims import ACCESS_TOKEN, ALGORITHM, LEEWAY, NAMESPACE, ORIGINS, SESSION, TYPES, Expected
from shared.identity.principal import SYSTEM_ORGANISATION

GOOGLE_SESSION = timedelta(minutes=60)
PASSWORD_SESSION = timedelta(minutes=15)
WITH_PASSWORD, WITH_GOOGLE, WITH_KEY, IN_BROWSER = WAYS = ("password", "google", "api_key", "browser")
"""How sessions begin."""
LONGEST_CREDENTIAL = timedelta(days=365)
FORGET_AFTER = LONGEST_CREDENTIAL + LEEWAY + timedelta(minutes=1)
"""When every credential that is valid now has certainly expired."""

_SIGNING = """
SELECT kid, sealed FROM key_pairs WHERE signs_from <= $1 AND (not_after IS NULL OR not_after > $1)
ORDER BY signs_from DESC, kid
"""
_BEGIN = """
WITH signing AS (
    SELECT kid, sealed, signs_from FROM key_pairs WHERE signs_from <= $1 AND (not_after IS NULL OR not_after > $1)
), gone AS (
    DELETE FROM sessions WHERE org_id = tenant() AND id IN (
        SELECT id FROM sessions WHERE org_id = tenant() AND expires_at < $1
        ORDER BY expires_at LIMIT 10 FOR UPDATE SKIP LOCKED
    )
), begun AS (
    INSERT INTO sessions (user_id, generation, began, jti, made_with, created_at, expires_at, kid)
    VALUES ($2, $3, $4, $5, $6, $1, to_timestamp($7), (SELECT kid FROM signing ORDER BY signs_from DESC, kid LIMIT 1))
)
SELECT kid, sealed FROM signing ORDER BY signs_from DESC, kid
"""
"""Written down with the look at the keys, so that a sign-in takes no further round trip."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a token speaks for; its generation ends all older tokens when it is raised."""

    user_id: int
    org_id: int
    org_name: str
    role_id: int
    generation: int


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What makes a credential less than a session: its kind, its scopes, and what the owner acts through.

    An API key with `origins` is a publishable one.
    """

    kind: str
    scopes: AbstractSet[str]
    client_id: str
    origins: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A token, the name by which it is revoked, its end in epoch seconds, and the key that signed it."""

    token: str
    jti: str
    expires_at: int
    kid: str


class Signer:
    """Makes tokens; opened keys stay in memory."""

    def __init__(self, vault: Vault, expected: Expected, clock: Clock) -> None:
        self.vault = vault
        self._expected = expected
        self._clock = clock
        self._opened: dict[str, Ed25519PrivateKey] = {}

    async def begin(self, tx: Connection, owner: Owner, life: timedelta, began: str) -> str:
        """A session's token, which its owner's list has. Raises `Unavailable` when no key can be used."""
        now = self._clock()
        claims = _claims(self._expected, owner, SESSION, now, now + life)
        return (await self._begun(tx, claims, owner, began)).token

    async def begin_narrowed(self, tx: Connection, owner: Owner, narrowing: Narrowing, expires_at: datetime) -> Signed:
        """The same of a session with the rights of a key. Raises `Unavailable` when no key can be used."""
        return await self._begun(tx, self._narrowed(owner, narrowing, expires_at), owner, WITH_KEY)

    async def sign_narrowed(self, tx: Connection, owner: Owner, narrowing: Narrowing, expires_at: datetime) -> Signed:
        """A credential with some of its owner's rights. Raises `Unavailable` when no key can be used."""
        return await self._signed(tx, self._narrowed(owner, narrowing, expires_at), narrowing.kind)

    def _narrowed(self, owner: Owner, narrowing: Narrowing, expires_at: datetime) -> dict[str, Any]:
        claims = _claims(self._expected, owner, narrowing.kind, self._clock(), expires_at)
        claims |= {"scope": " ".join(sorted(narrowing.scopes)), "client_id": narrowing.client_id}
        if narrowing.origins is not None:
            claims[ORIGINS] = list(narrowing.origins)
        return claims

    async def _begun(self, tx: Connection, claims: dict[str, Any], owner: Owner, began: str) -> Signed:
        client_id = claims.get("client_id")
        of_session = owner.user_id, owner.generation, began, claims["jti"], client_id, claims["exp"]
        rows = await tx.fetch(_BEGIN, self._clock(), *of_session)
        return self._signed_by(rows, claims, SESSION if client_id is None else ACCESS_TOKEN)

    async def _signed(self, tx: Connection, claims: dict[str, Any], kind: str) -> Signed:
        return self._signed_by(await tx.fetch(_SIGNING, self._clock()), claims, kind)

    def _signed_by(self, rows: Sequence[Any], claims: dict[str, Any], kind: str) -> Signed:
        kid, key = self._key(rows)
        token = jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": kid, "typ": TYPES[kind]})
        return Signed(token, claims["jti"], claims["exp"], kid)

    def _key(self, rows: Sequence[Any]) -> tuple[str, Ed25519PrivateKey]:
        for row in rows:
            try:
                return row["kid"], self._open(row["kid"], row["sealed"])
            except CannotOpen:
                continue
        raise Unavailable("No signing key can be opened; was PEERLY_SECRET changed? A restart makes a new key")

    def _open(self, kid: str, sealed: bytes) -> Ed25519PrivateKey:
        if kid not in self._opened:
            self._opened[kid] = self.vault.open(kid, sealed)
        return self._opened[kid]


def _claims(expected: Expected, owner: Owner, kind: str, now: datetime, expires_at: datetime) -> dict[str, Any]:
    issued = int(now.timestamp())
    of_installation = owner.org_id == SYSTEM_ORGANISATION
    return {
        # First, so that the beginnings of two tokens differ.
        "jti": f"{owner.generation}.{secrets.token_urlsafe(18)}",
        "iss": expected.issuer_of(kind),
        "sub": str(owner.user_id),
        "aud": expected.audience,
        "exp": int(expires_at.timestamp()),
        "nbf": issued,
        "iat": issued,
        NAMESPACE: {
            "roleId": owner.role_id,
            "orgId": None if of_installation else owner.org_id,
            "orgName": None if of_installation else owner.org_name,
        },
    }
