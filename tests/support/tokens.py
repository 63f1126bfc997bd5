"""Tokens and keys as the auth service makes them, for tests that stand without it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.utils import base64url_encode

from shared.identity import PublicKey, Role
from shared.identity.claims import NAMESPACE, TYPES, Expected

ISSUER, AUDIENCE, KID = "node.peerly.com", "peerly.com", "test-key"
OAUTH_ISSUER = "http://localhost:8080"
EXPECTED = Expected(ISSUER, AUDIENCE, OAUTH_ISSUER)


class Signer:
    """Makes a key and signs with it; the rows of its public half go into `signing_keys`."""

    def __init__(self, kid: str = KID) -> None:
        self.kid = kid
        self.private = Ed25519PrivateKey.generate()

    @property
    def x(self) -> str:
        """The public key as in its JWK."""
        return base64url_encode(self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()

    @property
    def public(self) -> PublicKey:
        """The public key as a verifier takes it."""
        return PublicKey(self.kid, self.x, None)

    def sign(self, claims: Mapping[str, Any], **header: Any) -> str:
        """A token with exactly these claims."""
        return jwt.encode(dict(claims), self.private, algorithm="EdDSA", headers={"kid": self.kid, **header})

    def narrowed(self, kind: str, scope: Any, client_id: Any = "key:1", **changes: Any) -> str:
        """A credential of a kind with these scopes; `changes` are claims that differ."""
        known = {**claims(), "iss": EXPECTED.issuer_of(kind), "scope": scope, "client_id": client_id, **changes}
        return self.sign(known, typ=TYPES[kind])

    def token(self, user_id: int, role: Role = Role.EMPLOYEE, org_id: int | None = 1, generation: int = 1) -> str:
        """A valid session token."""
        return self.sign(claims(user_id, role, org_id, generation))


def claims(
    user_id: int = 7, role: Role = Role.EMPLOYEE, org_id: int | None = 1, generation: int = 1, now: int | None = None
) -> dict[str, Any]:
    """The claims of a session token of one hour."""
    issued = int(datetime.now(UTC).timestamp()) if now is None else now
    return {
        "iss": ISSUER,
        "sub": str(user_id),
        "aud": AUDIENCE,
        "exp": issued + 3600,
        "nbf": issued,
        "iat": issued,
        "jti": f"{generation}.{user_id}-{role}-{issued}",
        NAMESPACE: {"roleId": int(role), "orgId": org_id, "orgName": None if org_id is None else f"Company {org_id}"},
    }
