"""Sessions exactly as auth signs them, by the thousand: signed with its own key instead of asked of it one by one."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.auth.keys import Vault
from shared.database import Pool
from shared.identity.claims import ALGORITHM, NAMESPACE, SESSION, TYPES

_KEY = "SELECT kid, sealed FROM auth.key_pairs ORDER BY signs_from DESC LIMIT 1"
_NOW = "SELECT generation, role_id FROM auth.users WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Mint:
    """Auth's signing key, opened with the installation's secret, and its table of people."""

    owner: Pool
    kid: str
    key: Ed25519PrivateKey

    @classmethod
    async def open(cls, owner: Pool, secret: str) -> Mint:
        row = await owner.fetchrow(_KEY)
        assert row is not None
        return cls(owner, row["kid"], Vault(secret).open(row["kid"], row["sealed"]))

    async def sessions(self, like: str, count: int = 1, **changes: int) -> list[str]:
        """Fresh sessions of the person whose token this is or was, with the role and generation they have now."""
        claims = {**jwt.decode(like, options={"verify_signature": False}), **changes}
        row = await self.owner.fetchrow(_NOW, int(claims["sub"]))
        assert row is not None
        claims[NAMESPACE]["roleId"] = row["role_id"]
        header = {"kid": self.kid, "typ": TYPES[SESSION]}
        return [
            jwt.encode(
                {**claims, "jti": f"{row['generation']}.{secrets.token_urlsafe(18)}"},
                self.key,
                algorithm=ALGORITHM,
                headers=header,
            )
            for _ in range(count)
        ]
