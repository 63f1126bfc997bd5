"""Rows of personal tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.auth.domain.people import Person
from services.auth.store.clients import forget_uses
from shared.database import Connection

_INSERT = """
INSERT INTO personal_tokens (user_id, generation, name, scopes, made_with, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
RETURNING id
"""
_STALE = """
DELETE FROM personal_tokens WHERE org_id = tenant() AND user_id = $1
    AND (expires_at <= $2 OR generation < $3 OR kid IN (SELECT kid FROM retired_keys))
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class NewToken:
    """What a personal token is to be; `made_with` is the client id of the credential that asks, None for a session."""

    name: str
    scopes: frozenset[str]
    expires_at: datetime
    made_with: str | None


def client_id_of_token(token_id: int) -> str:
    return f"token:{token_id}"


async def add_token(tx: Connection, owner: Person, new: NewToken, now: datetime) -> int:
    generation, scopes = owner.generation, sorted(new.scopes)
    token_id: int = await tx.fetchval(
        _INSERT, owner.id, generation, new.name, scopes, new.made_with, now, new.expires_at
    )
    return token_id


async def note_signing_key(tx: Connection, token_id: int, kid: str) -> None:
    """With that key it ends."""
    await tx.execute("UPDATE personal_tokens SET kid = $2 WHERE org_id = tenant() AND id = $1", token_id, kid)


async def hold_token(tx: Connection, token_id: int) -> bool:
    """Whether it is there; if so, it stays until the transaction's end."""
    statement = "SELECT true FROM personal_tokens WHERE org_id = tenant() AND id = $1 FOR KEY SHARE"
    return bool(await tx.fetchval(statement, token_id))


async def count_tokens(tx: Connection, user_id: int) -> int:
    count: int = await tx.fetchval(
        "SELECT count(*) FROM personal_tokens WHERE org_id = tenant() AND user_id = $1", user_id
    )
    return count


async def remove_own_token(tx: Connection, user_id: int, token_id: int) -> bool:
    statement = "DELETE FROM personal_tokens WHERE org_id = tenant() AND user_id = $1 AND id = $2 RETURNING true"
    return bool(await tx.fetchval(statement, user_id, token_id))


async def remove_token(tx: Connection, token_id: int) -> None:
    await tx.execute("DELETE FROM personal_tokens WHERE org_id = tenant() AND id = $1", token_id)


async def remove_stale_tokens(tx: Connection, owner: Person, now: datetime) -> None:
    """Those of a person that are over, by time, by generation or with the key that signed them."""
    rows = await tx.fetch(_STALE, owner.id, now, owner.generation)
    await forget_uses(tx, _clients(row["id"] for row in rows))


async def remove_tokens_made_with(tx: Connection, client_id: str) -> list[str]:
    """Their client ids."""
    rows = await tx.fetch(
        "DELETE FROM personal_tokens WHERE org_id = tenant() AND made_with = $1 RETURNING id", client_id
    )
    return _clients(row["id"] for row in rows)


def _clients(ids: Iterable[int]) -> list[str]:
    return [client_id_of_token(token_id) for token_id in ids]
