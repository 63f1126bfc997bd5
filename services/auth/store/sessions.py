"""Rows of sign-ins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.database import Connection

_REMOVE = """
DELETE FROM sessions WHERE org_id = tenant() AND user_id = $1 AND id = $2 RETURNING jti, token_hash, expires_at
"""
_USED = """
UPDATE sessions SET last_used_at = to_timestamp(use.at)
FROM unnest($1::text[], $2::bigint[]) AS use (jti, at)
WHERE sessions.org_id = tenant() AND sessions.jti = use.jti
    AND coalesce(sessions.last_used_at <= to_timestamp(use.at) - interval '60 seconds', true)
    AND sessions.id IN (
        SELECT id FROM sessions WHERE org_id = tenant() AND jti = ANY($1::text[])
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    )
"""


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in that was: by the `jti` of its token, or by its cookie."""

    jti: str | None
    token_hash: bytes | None
    expires_at: datetime


async def remove_own_session(tx: Connection, user_id: int, session_id: int) -> Begun | None:
    row = await tx.fetchrow(_REMOVE, user_id, session_id)
    return None if row is None else Begun(row["jti"], row["token_hash"], row["expires_at"])


async def remove_session_of(tx: Connection, jti: str) -> None:
    await tx.execute("DELETE FROM sessions WHERE org_id = tenant() AND jti = $1", jti)


async def remove_sessions_made_with(tx: Connection, client_id: str) -> None:
    await tx.execute("DELETE FROM sessions WHERE org_id = tenant() AND made_with = $1", client_id)


async def note_session_uses(tx: Connection, jtis: Sequence[str], moments: Sequence[int]) -> None:
    """Written when what is known is a minute old."""
    await tx.execute(_USED, jtis, moments)
