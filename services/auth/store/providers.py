"""Rows of identity providers, and of whose their identities are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from asyncpg import Record

from shared.contracts.providers import ProviderKey
from shared.database import Connection
from shared.identity.external_records import Linked, linked

_INSERT = """
INSERT INTO identity_providers (issuer, audience, jwks_uri, email_claim, created_at, due_at)
VALUES ($1, $2, $3, $4, $5, $5)
ON CONFLICT (org_id, issuer, audience) DO NOTHING
RETURNING *
"""
_CHANGE = """
UPDATE identity_providers SET
    audience = $2, jwks_uri = $3, email_claim = $4, version = version + 1, due_at = $5,
    keys = CASE WHEN jwks_uri IS DISTINCT FROM $3 THEN '[]' ELSE keys END,
    fetched_at = CASE WHEN jwks_uri IS DISTINCT FROM $3 THEN NULL ELSE fetched_at END,
    failure = CASE WHEN jwks_uri IS DISTINCT FROM $3 THEN NULL ELSE failure END
WHERE org_id = tenant() AND id = $1
RETURNING *
"""
_FETCHED = """
UPDATE identity_providers SET keys = $2::jsonb, fetched_at = $3, failure = NULL
WHERE org_id = tenant() AND id = $1
RETURNING *
"""
_LOOKED_AT = """
SELECT failure IS NOT NULL OR fetched_at IS NOT NULL AND NOT EXISTS (
    SELECT FROM outbox WHERE outbox.subject = 'identity-provider/' || identity_providers.id AND outbox.sent_at IS NULL
)
FROM identity_providers WHERE org_id = tenant() AND id = $1
"""
_LINKED = """
SELECT identity.user_id, person.role_id, person.soft_delete_at IS NULL AND person.id IS NOT NULL AS active,
    person.generation, true AS known
FROM external_identities AS identity
LEFT JOIN users AS person ON person.org_id = identity.org_id AND person.id = identity.user_id
WHERE identity.org_id = tenant() AND identity.provider_id = $1 AND identity.subject = $2
"""


@dataclass(frozen=True, slots=True)
class IdentityProvider:
    """What commands decide by; `told` is the version of the newest event about it."""

    id: int
    org_id: int
    issuer: str
    audience: str
    jwks_uri: str | None
    email_claim: str | None
    keys: tuple[ProviderKey, ...]
    fetched_at: datetime | None
    version: int
    told: int


@dataclass(frozen=True, slots=True)
class Bound:
    """What is on record of a subject: a user's, or nobody's."""

    user_id: int | None
    version: int


def client_id_of_provider(provider_id: int) -> str:
    return f"provider:{provider_id}"


async def add_provider(tx: Connection, wanted: Mapping[str, Any], now: datetime) -> IdentityProvider | None:
    """A new one, to be asked for its keys at once; none where the organisation has this issuer and audience already."""
    names = "issuer", "audience", "jwks_uri", "email_claim"
    row = await tx.fetchrow(_INSERT, *(wanted.get(name) for name in names), now)
    return None if row is None else _provider(row)


async def find_provider(tx: Connection, provider_id: int, *, locked: bool = False) -> IdentityProvider | None:
    query = "SELECT * FROM identity_providers WHERE org_id = tenant() AND id = $1"
    row = await tx.fetchrow(f"{query} FOR NO KEY UPDATE" if locked else query, provider_id)
    return None if row is None else _provider(row)


async def hold_provider(tx: Connection, provider_id: int) -> bool:
    """Whether it is there; if so, it stays until the transaction's end."""
    statement = "SELECT true FROM identity_providers WHERE org_id = tenant() AND id = $1 FOR KEY SHARE"
    return bool(await tx.fetchval(statement, provider_id))


async def lock_providers(tx: Connection) -> list[IdentityProvider]:
    """All of the organisation."""
    query = "SELECT * FROM identity_providers WHERE org_id = tenant() ORDER BY id FOR NO KEY UPDATE"
    return [_provider(row) for row in await tx.fetch(query)]


async def count_providers(tx: Connection) -> int:
    count: int = await tx.fetchval("SELECT count(*) FROM identity_providers WHERE org_id = tenant()")
    return count


async def change_provider(tx: Connection, wanted: IdentityProvider, now: datetime) -> IdentityProvider:
    """Keys of another place than the present one count no more. Raises `asyncpg.UniqueViolationError` where issuer and
    audience are another one's of the organisation.
    """
    row = await tx.fetchrow(_CHANGE, wanted.id, wanted.audience, wanted.jwks_uri, wanted.email_claim, now)
    return _provider(row)


async def remove_provider(tx: Connection, provider_id: int) -> None:
    await tx.execute("DELETE FROM identity_providers WHERE org_id = tenant() AND id = $1", provider_id)


async def mark_told(tx: Connection, provider_id: int, version: int) -> None:
    await tx.execute(
        "UPDATE identity_providers SET told = $2 WHERE org_id = tenant() AND id = $1", provider_id, version
    )


async def claim_due(connection: Connection, now: datetime, next_at: datetime, most: int) -> Sequence[tuple[int, int]]:
    """Organisations and ids of those that are to be asked now, by nobody else before `next_at`."""
    rows = await connection.fetch("SELECT org_id, provider_id FROM claim_due_providers($1, $2, $3)", now, next_at, most)
    return [(row["org_id"], row["provider_id"]) for row in rows]


async def keep_keys(
    tx: Connection, provider_id: int, keys: Sequence[ProviderKey], fetched_at: datetime
) -> IdentityProvider:
    told = orjson.dumps([asdict(key) for key in keys]).decode()
    return _provider(await tx.fetchrow(_FETCHED, provider_id, told, fetched_at))


async def keep_failure(tx: Connection, provider_id: int, failure: str, due_at: datetime) -> None:
    """It is asked again then; the keys that are known stay."""
    await tx.execute(
        "UPDATE identity_providers SET failure = $2, due_at = least(due_at, $3) WHERE org_id = tenant() AND id = $1",
        provider_id,
        failure,
        due_at,
    )


async def ask_soon(tx: Connection, provider_id: int, pause: timedelta) -> None:
    """It is asked for its keys, not before it had a pause."""
    await tx.execute(
        "UPDATE identity_providers SET due_at = least(due_at, coalesce(tried_at + $2, due_at))"
        " WHERE org_id = tenant() AND id = $1",
        provider_id,
        pause,
    )


async def is_looked_at(tx: Connection, provider_id: int) -> bool:
    """Whether it was asked for its keys, and everybody was told of the outcome."""
    return bool(await tx.fetchval(_LOOKED_AT, provider_id))


async def bound(tx: Connection, provider_id: int, subject: str) -> Bound | None:
    row = await tx.fetchrow(
        "SELECT user_id, version FROM external_identities"
        " WHERE org_id = tenant() AND provider_id = $1 AND subject = $2",
        provider_id,
        subject,
    )
    return None if row is None else Bound(row["user_id"], row["version"])


async def has_subject(tx: Connection, provider_id: int, user_id: int) -> bool:
    """Whether somebody is known by a subject of this provider."""
    statement = (
        "SELECT EXISTS (SELECT FROM external_identities WHERE org_id = tenant() AND provider_id = $1 AND user_id = $2)"
    )
    return bool(await tx.fetchval(statement, provider_id, user_id))


async def linked_user(tx: Connection, provider_id: int, subject: str) -> Linked | None:
    """Whose subject it is, among the users themselves."""
    row = await tx.fetchrow(_LINKED, provider_id, subject)
    return None if row is None else linked(row)


def _provider(row: Record | None) -> IdentityProvider:
    if row is None:
        raise LookupError("the statement found no provider")
    names = ("id", "org_id", "issuer", "audience", "jwks_uri", "email_claim", "fetched_at", "version", "told")
    told: dict[str, Any] = {name: row[name] for name in names}
    return IdentityProvider(keys=tuple(ProviderKey(**key) for key in orjson.loads(row["keys"])), **told)
