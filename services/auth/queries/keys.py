"""The public keys as RFC 7517 writes them."""

from __future__ import annotations

from datetime import datetime

from shared.database import Connection

_KEYS = "SELECT kid, x FROM signing_keys WHERE not_after IS NULL OR not_after > $1 ORDER BY kid"


async def json_web_keys(connection: Connection, now: datetime) -> list[dict[str, str]]:
    return [
        {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": row["kid"], "x": row["x"]}
        for row in await connection.fetch(_KEYS, now)
    ]
