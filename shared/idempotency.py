"""The first answer to a request is the answer to its repetitions: kept in the transaction of the effect."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from shared.database import Connection
from shared.errors import IdempotencyKeyReused, InvalidData

LONGEST_KEY = 255


@dataclass(frozen=True, slots=True)
class Key:
    """Which request of whom: the caller's user or client id, method and path, the client's key, the body's hash."""

    caller: str
    route: str
    key: str
    body_hash: bytes


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer as it was given first."""

    status: int
    bytes: bytes


def key_of(caller: str, route: str, key: str, body: dict[str, Any]) -> Key:
    """Names a request; bodies are compared as canonical JSON. Raises `InvalidData` for a key of wrong form."""
    if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
        raise InvalidData(f"Idempotency-Key must have 1 to {LONGEST_KEY} printable characters")
    return Key(caller, route, key, hashlib.sha256(_CANONICAL.encode(body).encode()).digest())


async def claim(tx: Connection, key: Key) -> Kept | None:
    """Takes the key for this transaction, or gives the answer kept under it.

    Waits for a running first request as long as the session's `lock_timeout`.
    Raises `IdempotencyKeyReused`, `asyncpg.LockNotAvailableError`.
    """
    taken = await tx.fetchval(
        "INSERT INTO idempotency_keys (caller, route, key, body_hash) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING RETURNING true",
        key.caller,
        key.route,
        key.key,
        key.body_hash,
    )
    if taken:
        return None
    row = await tx.fetchrow(
        "SELECT body_hash, status, answer FROM idempotency_keys WHERE caller = $1 AND route = $2 AND key = $3",
        key.caller,
        key.route,
        key.key,
    )
    if row is None or row["body_hash"] != key.body_hash:
        raise IdempotencyKeyReused
    return Kept(row["status"], row["answer"])


async def keep(tx: Connection, key: Key, status: int, answer: bytes) -> None:
    """Keeps the answer; it becomes durable with the effect."""
    await tx.execute(
        "UPDATE idempotency_keys SET status = $4, answer = $5 WHERE caller = $1 AND route = $2 AND key = $3",
        key.caller,
        key.route,
        key.key,
        status,
        answer,
    )
