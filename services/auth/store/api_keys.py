"""Rows of API keys and of the tokens that were issued for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from shared.database import Connection

_HOLDING = """
SELECT jti, issued_at, expires_at FROM api_key_issues WHERE org_id = tenant() AND key_id = $1 AND ends_at IS NULL
"""
_ISSUE = """
INSERT INTO api_key_issues (jti, key_id, user_id, prefix, made_with, issued_at, expires_at, kid)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_ISSUES = "SELECT jti, key_id, expires_at, ends_at FROM api_key_issues WHERE org_id = tenant()"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key with the token that holds, by its `jti`; a publishable one has `origins`."""

    id: int
    name: str
    scopes: frozenset[str]
    origins: Sequence[str] | None
    version: int
    jti: str
    issued_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Issue:
    """One token of a key, for one person; `kid` names the key that signed it.

    `made_with` is the client id of the credential that asked, if no session.
    """

    jti: str
    key_id: int
    user_id: int
    prefix: str
    made_with: str | None
    issued_at: datetime
    expires_at: datetime
    kid: str


@dataclass(frozen=True, slots=True)
class IssueToEnd:
    """A token of a key: the one that holds, or one before it."""

    jti: str
    key_id: int
    expires_at: datetime
    is_holding: bool


def client_id_of_key(key_id: int) -> str:
    return f"key:{key_id}"


async def add_key(
    tx: Connection, name: str, scopes: frozenset[str], origins: Sequence[str] | None, now: datetime
) -> int:
    key_id: int = await tx.fetchval(
        "INSERT INTO api_keys (name, scopes, origins, created_at) VALUES ($1, $2, $3, $4) RETURNING id",
        name,
        sorted(scopes),
        origins,
        now,
    )
    return key_id


async def add_issue(tx: Connection, issue: Issue) -> None:
    """From now on the token that holds."""
    await tx.execute(
        _ISSUE,
        issue.jti,
        issue.key_id,
        issue.user_id,
        issue.prefix,
        issue.made_with,
        issue.issued_at,
        issue.expires_at,
        issue.kid,
    )


async def end_holding(tx: Connection, key: ApiKey, ends_at: datetime, now: datetime) -> None:
    """The token that holds is replaced; those whose time of grace is over are forgotten."""
    await tx.execute(
        "DELETE FROM api_key_issues WHERE org_id = tenant() AND key_id = $1 AND ends_at <= $2", key.id, now
    )
    await tx.execute("UPDATE api_key_issues SET ends_at = $2 WHERE org_id = tenant() AND jti = $1", key.jti, ends_at)
    await tx.execute("UPDATE api_keys SET version = version + 1 WHERE org_id = tenant() AND id = $1", key.id)


async def lock_key(tx: Connection, key_id: int) -> ApiKey | None:
    """A key, until the transaction's end changed and rotated by nobody else."""
    row = await tx.fetchrow("SELECT * FROM api_keys WHERE org_id = tenant() AND id = $1 FOR UPDATE", key_id)
    # Not joined: who has waited for the lock would get the key as it is now with the token that held before.
    holding = await tx.fetchrow(_HOLDING, key_id)
    if row is None or holding is None:
        return None
    held = holding["jti"], holding["issued_at"], holding["expires_at"]
    return ApiKey(row["id"], row["name"], frozenset(row["scopes"]), row["origins"], row["version"], *held)


async def hold_key(tx: Connection, key_id: int) -> bool:
    """Whether it is there; if so, it stays until the transaction's end."""
    statement = "SELECT true FROM api_keys WHERE org_id = tenant() AND id = $1 FOR KEY SHARE"
    return bool(await tx.fetchval(statement, key_id))


async def count_keys(tx: Connection) -> int:
    count: int = await tx.fetchval("SELECT count(*) FROM api_keys WHERE org_id = tenant()")
    return count


async def rename_key(tx: Connection, key_id: int, name: str) -> None:
    await tx.execute(
        "UPDATE api_keys SET name = $2, version = version + 1 WHERE org_id = tenant() AND id = $1", key_id, name
    )


async def remove_key(tx: Connection, key_id: int) -> None:
    await tx.execute("DELETE FROM api_keys WHERE org_id = tenant() AND id = $1", key_id)


async def remove_former_issue(tx: Connection, jti: str) -> None:
    await tx.execute("DELETE FROM api_key_issues WHERE org_id = tenant() AND jti = $1", jti)


async def is_holding(tx: Connection, jti: str) -> bool:
    """Whether this is the token that holds, of some key."""
    statement = "SELECT true FROM api_key_issues WHERE org_id = tenant() AND jti = $1 AND ends_at IS NULL"
    return bool(await tx.fetchval(statement, jti))


async def issues_of(tx: Connection, user_id: int) -> list[IssueToEnd]:
    """All tokens of keys that speak for a person."""
    return [_to_end(row) for row in await tx.fetch(f"{_ISSUES} AND user_id = $1 ORDER BY key_id, jti", user_id)]


async def former_issues(tx: Connection, key_id: int) -> list[IssueToEnd]:
    """The tokens of a key that were replaced."""
    formers = f"{_ISSUES} AND key_id = $1 AND ends_at IS NOT NULL ORDER BY jti"
    return [_to_end(row) for row in await tx.fetch(formers, key_id)]


async def issues_made_with(tx: Connection, client_id: str) -> list[IssueToEnd]:
    """All tokens of keys that were asked for with one credential."""
    return [_to_end(row) for row in await tx.fetch(f"{_ISSUES} AND made_with = $1 ORDER BY key_id, jti", client_id)]


def _to_end(row: Record) -> IssueToEnd:
    return IssueToEnd(row["jti"], row["key_id"], row["expires_at"], row["ends_at"] is None)
