"""Passwords, links to set one, attempts, and key pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from services.auth.keys import KeyPair
from shared.contracts.auth import PublicKey
from shared.database import Connection

KEYS_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('key_pairs', 0))"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a password may be checked now; `attempt` is to be ended, `retry_after` is in seconds."""

    word: Literal["allowed", "busy", "blocked"]
    attempt: int | None
    retry_after: int | None


def account_hash(folded_email: str) -> bytes:
    """How attempts name an account: nobody's address is kept for having been guessed."""
    return hashlib.sha256(folded_email.encode()).digest()


async def begin_attempt(connection: Connection, account: bytes, address: str, now: datetime) -> Verdict:
    row = await connection.fetchrow("SELECT * FROM begin_attempt($1, $2, $3)", account, address, now)
    if row is None:
        raise LookupError("begin_attempt gave no verdict")
    return Verdict(row["verdict"], row["attempt"], row["retry_after"])


async def end_attempt(connection: Connection, attempt: int | None, *, failed: bool) -> None:
    """A failure counts for 15 minutes; a success is forgotten."""
    if failed:
        await connection.execute("UPDATE sign_in_attempts SET running = false WHERE id = $1", attempt)
    else:
        await connection.execute("DELETE FROM sign_in_attempts WHERE id = $1", attempt)


async def know_address(connection: Connection, account: bytes, address: str, now: datetime) -> None:
    """The address has signed in to the account; those that did not for 30 days are forgotten."""
    await connection.execute(
        "DELETE FROM known_addresses WHERE account = $1 AND signed_in_at < $2::timestamptz - interval '30 days'",
        account,
        now,
    )
    await connection.execute(
        "INSERT INTO known_addresses (account, address, signed_in_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (account, address) DO UPDATE SET signed_in_at = excluded.signed_in_at",
        account,
        address,
        now,
    )


async def password_hash(tx: Connection, user_id: int) -> str | None:
    known: str | None = await tx.fetchval(
        "SELECT hash FROM passwords WHERE org_id = tenant() AND user_id = $1", user_id
    )
    return known


async def set_password_hash(tx: Connection, user_id: int, hashed: str, now: datetime) -> None:
    await tx.execute(
        "INSERT INTO passwords (user_id, hash, changed_at) VALUES ($1, $2, $3)"
        " ON CONFLICT (org_id, user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at",
        user_id,
        hashed,
        now,
    )


async def renew_password_hash(tx: Connection, user_id: int, present: str, fresh: str) -> bool:
    """The same password kept in another way; false when it is another password by now."""
    statement = "UPDATE passwords SET hash = $3 WHERE org_id = tenant() AND user_id = $1 AND hash = $2 RETURNING true"
    return bool(await tx.fetchval(statement, user_id, present, fresh))


async def remove_password(tx: Connection, user_id: int) -> bool:
    """Whether there was one."""
    statement = "DELETE FROM passwords WHERE org_id = tenant() AND user_id = $1 RETURNING true"
    return bool(await tx.fetchval(statement, user_id))


async def keep_password_reset(
    tx: Connection, user_id: int, token_hash: bytes, made_by: int, expires_at: datetime
) -> None:
    """The only link of this person from now on."""
    await tx.execute(
        "INSERT INTO password_resets (user_id, token_hash, made_by, expires_at) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (org_id, user_id) DO UPDATE SET token_hash = excluded.token_hash,"
        " made_by = excluded.made_by, expires_at = excluded.expires_at",
        user_id,
        token_hash,
        made_by,
        expires_at,
    )


async def find_password_reset(tx: Connection, token_hash: bytes, now: datetime) -> int | None:
    """Whose link this is, while it lasts."""
    user_id: int | None = await tx.fetchval(
        "SELECT user_id FROM password_resets WHERE org_id = tenant() AND token_hash = $1 AND expires_at > $2",
        token_hash,
        now,
    )
    return user_id


async def use_password_reset(tx: Connection, token_hash: bytes) -> bool:
    """Whether the link was still there; it is no more."""
    return bool(
        await tx.fetchval(
            "DELETE FROM password_resets WHERE org_id = tenant() AND token_hash = $1 RETURNING true", token_hash
        )
    )


async def forget_password_resets(tx: Connection, user_id: int) -> bool:
    """Voids the link to this person; whether there was one."""
    statement = "DELETE FROM password_resets WHERE org_id = tenant() AND user_id = $1 RETURNING true"
    return bool(await tx.fetchval(statement, user_id))


async def forget_password_resets_of(tx: Connection, made_by: int) -> None:
    """Voids the links that somebody gave, in whichever organisation."""
    await tx.execute("SELECT forget_links_of($1)", made_by)


async def key_pairs(tx: Connection) -> Sequence[Any]:
    """All pairs, the newest first."""
    return await tx.fetch("SELECT * FROM key_pairs ORDER BY signs_from DESC, kid")


async def add_key_pair(tx: Connection, pair: KeyPair, sealed: bytes, signs_from: datetime) -> None:
    await tx.execute(
        "INSERT INTO key_pairs (kid, sealed, public_key, signs_from) VALUES ($1, $2, $3, $4)",
        pair.kid,
        sealed,
        pair.public_key,
        signs_from,
    )


async def limit_key_pairs(tx: Connection, but: str, not_after: datetime) -> None:
    """Every other key that has no end yet ends then."""
    await tx.execute("UPDATE key_pairs SET not_after = $2 WHERE kid <> $1 AND not_after IS NULL", but, not_after)


async def remove_key_pair(tx: Connection, kid: str) -> bool:
    return bool(await tx.fetchval("DELETE FROM key_pairs WHERE kid = $1 RETURNING true", kid))


async def remove_expired_key_pairs(tx: Connection, now: datetime) -> None:
    await tx.execute("DELETE FROM key_pairs WHERE not_after < $1", now)


async def public_keys(tx: Connection) -> tuple[PublicKey, ...]:
    rows = await tx.fetch(
        "SELECT kid, public_key, epoch_seconds(not_after) AS not_after FROM key_pairs ORDER BY created_at, kid"
    )
    return tuple(PublicKey(kid=row["kid"], x=row["public_key"], not_after=row["not_after"]) for row in rows)


async def next_key_version(tx: Connection) -> int:
    version: int = await tx.fetchval("SELECT coalesce(max(version), 0) + 1 FROM signing_keys")
    return version


async def hold_credential(tx: Connection, jti: str) -> bool:
    """Whether it has not ended; it does not until the transaction's end."""
    return bool(await tx.fetchval("SELECT hold_credential($1)", jti))


async def lock_credential(tx: Connection, jti: str) -> None:
    """Waits for whoever is about to write with it, before it is ended."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('credential:' || $1::text, 0))", jti)
