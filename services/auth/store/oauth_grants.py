"""Rows of what people allowed: grants, the codes and families of tokens below them, and browsers signed in."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncpg import Record

from services.auth.domain.oauth import CODE_LASTS, SIGN_IN_LASTS
from services.auth.store.oauth_clients import Client
from shared.database import Connection

CODES_ARE_KEPT = timedelta(days=1)
"""A code that comes again is noticed for that long when nothing was given for it."""

_ALLOW = """
INSERT INTO oauth_grants AS known (user_id, application, scopes, created_at, consent_version)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (org_id, user_id, application) DO UPDATE SET consent_version = excluded.consent_version, scopes = (
    SELECT array_agg(DISTINCT scope ORDER BY scope) FROM unnest(
        CASE WHEN coalesce(known.consent_version, 0) = excluded.consent_version THEN known.scopes ELSE '{}' END
        || excluded.scopes
    ) AS scope
)
RETURNING id
"""
_LOCK = "SELECT * FROM oauth_grants WHERE org_id = tenant() AND id = $1 FOR UPDATE"
_FAMILY = """
SELECT family.*, refresh.expires_at AS refresh_expires_at, refresh.used AS refresh_used,
    given.user_id, given.application, given.scopes AS given_scopes,
    given.consent_version AS given_version
FROM oauth_authorizations AS family
JOIN oauth_grants AS given ON given.org_id = family.org_id AND given.id = family.grant_id
LEFT JOIN oauth_refresh_tokens AS refresh ON refresh.org_id = family.org_id AND refresh.authorization_id = family.id
    AND refresh.token_hash = $1
WHERE family.org_id = tenant() AND family.id IN (
    SELECT id FROM oauth_authorizations WHERE org_id = tenant() AND code_hash = $1
    UNION ALL
    SELECT authorization_id FROM oauth_refresh_tokens WHERE org_id = tenant() AND token_hash = $1
)
"""
_USABLE = """
SELECT given.user_id, given.application, family.scopes, family.generation, refresh.expires_at
FROM oauth_refresh_tokens AS refresh
JOIN oauth_authorizations AS family ON family.org_id = refresh.org_id AND family.id = refresh.authorization_id
JOIN oauth_grants AS given ON given.org_id = family.org_id AND given.id = family.grant_id
WHERE refresh.org_id = tenant() AND refresh.token_hash = $1 AND refresh.expires_at > $2
    AND NOT refresh.used AND NOT family.ended
"""


@dataclass(frozen=True, slots=True)
class Grant:
    """What one person allowed one application, as it then was."""

    id: int
    user_id: int
    application: int
    scopes: frozenset[str]
    consent_version: int


@dataclass(frozen=True, slots=True)
class Family:
    """What came of one yes: a code, then tokens. Found by the code, or by a refresh token, told of by the last two."""

    id: int
    by_code: bool
    redirect_uri: str
    challenge: str
    scopes: frozenset[str]
    generation: int
    created_at: datetime
    redeemed: bool
    ended: bool
    refresh_expires_at: datetime | None
    refresh_used: bool


@dataclass(frozen=True, slots=True)
class LiveToken:
    """An access token that may still be valid."""

    jti: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class NewCode:
    """What a code is bound to."""

    code_hash: bytes
    redirect_uri: str
    challenge: str
    scopes: Collection[str]
    generation: int


async def allow(tx: Connection, user_id: int, client: Client, scopes: Collection[str], now: datetime) -> int:
    """Adds to what a person allows an application of this name and these addresses; returns the grant's id."""
    grant_id: int = await tx.fetchval(_ALLOW, user_id, client.id, sorted(scopes), now, client.consent_version)
    return grant_id


async def find_grant(tx: Connection, user_id: int, application: int, *, locked: bool = False) -> Grant | None:
    query = "SELECT * FROM oauth_grants WHERE org_id = tenant() AND user_id = $1 AND application = $2"
    row = await tx.fetchrow(f"{query} FOR UPDATE" if locked else query, user_id, application)
    return None if row is None else _grant(row)


async def lock_grant(tx: Connection, grant_id: int) -> Grant | None:
    row = await tx.fetchrow(_LOCK, grant_id)
    return None if row is None else _grant(row)


async def remove_grant(tx: Connection, grant_id: int) -> None:
    await tx.execute("DELETE FROM oauth_grants WHERE org_id = tenant() AND id = $1", grant_id)


async def add_code(tx: Connection, grant_id: int, code: NewCode, now: datetime) -> None:
    await tx.execute("SELECT forget_oauth($1)", now)
    await tx.execute(
        "INSERT INTO oauth_authorizations"
        " (grant_id, code_hash, redirect_uri, challenge, scopes, generation, created_at, keep_until)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        grant_id,
        code.code_hash,
        code.redirect_uri,
        code.challenge,
        sorted(code.scopes),
        code.generation,
        now,
        now + CODE_LASTS + CODES_ARE_KEPT,
    )


async def lock_family(tx: Connection, hashed: bytes) -> tuple[Grant, Family] | None:
    """The family of a code or refresh token, with its grant until the transaction's end changed by nobody else.

    Only one that has ended is not locked: it stays so, however many come again at once.
    """
    row = await tx.fetchrow(_FAMILY, hashed)
    if row is not None and not row["ended"]:
        await lock_grant(tx, row["grant_id"])
        row = await tx.fetchrow(_FAMILY, hashed)
    if row is None:
        return None
    given = frozenset(row["given_scopes"])
    grant = Grant(row["grant_id"], row["user_id"], row["application"], given, row["given_version"] or 0)
    return grant, _family(row, by_code=row["code_hash"] == hashed)


async def find_refresh_token(tx: Connection, hashed: bytes, now: datetime) -> Record | None:
    """Person, generation, application, scopes and end of a refresh token that can be used."""
    return await tx.fetchrow(_USABLE, hashed, now)


async def mark_redeemed(tx: Connection, family_id: int) -> None:
    await tx.execute("UPDATE oauth_authorizations SET redeemed = true WHERE org_id = tenant() AND id = $1", family_id)


async def mark_used(tx: Connection, hashed: bytes) -> None:
    await tx.execute("UPDATE oauth_refresh_tokens SET used = true WHERE org_id = tenant() AND token_hash = $1", hashed)


async def add_refresh_token(tx: Connection, family_id: int, hashed: bytes, now: datetime, expires_at: datetime) -> None:
    """Those used before are remembered until they would have expired."""
    await tx.execute(
        "DELETE FROM oauth_refresh_tokens WHERE org_id = tenant() AND authorization_id = $1 AND expires_at < $2",
        family_id,
        now,
    )
    await tx.execute(
        "INSERT INTO oauth_refresh_tokens (token_hash, authorization_id, expires_at) VALUES ($1, $2, $3)",
        hashed,
        family_id,
        expires_at,
    )
    await tx.execute(
        "UPDATE oauth_authorizations SET keep_until = $2 WHERE org_id = tenant() AND id = $1", family_id, expires_at
    )


async def add_access_token(tx: Connection, family_id: int, token: LiveToken) -> None:
    await tx.execute(
        "INSERT INTO oauth_access_tokens (jti, authorization_id, expires_at) VALUES ($1, $2, $3)",
        token.jti,
        family_id,
        token.expires_at,
    )


async def take_access_tokens(tx: Connection, family_id: int, *, but: int = 0) -> list[LiveToken]:
    """Forgets the names of a family's access tokens, the newest ones excepted, and returns them."""
    rows = await tx.fetch(
        "DELETE FROM oauth_access_tokens WHERE org_id = tenant() AND jti IN ("
        "SELECT jti FROM oauth_access_tokens WHERE org_id = tenant() AND authorization_id = $1"
        " ORDER BY expires_at DESC, jti OFFSET $2) RETURNING jti, expires_at",
        family_id,
        but,
    )
    return [LiveToken(row["jti"], row["expires_at"]) for row in rows]


async def end_family(tx: Connection, family_id: int) -> None:
    await tx.execute("UPDATE oauth_authorizations SET ended = true WHERE org_id = tenant() AND id = $1", family_id)


async def families_of(tx: Connection, grant_id: int) -> list[int]:
    """Those that have not ended."""
    rows = await tx.fetch(
        "SELECT id FROM oauth_authorizations WHERE org_id = tenant() AND grant_id = $1 AND NOT ended", grant_id
    )
    return [row["id"] for row in rows]


async def add_sign_in(tx: Connection, hashed: bytes, user_id: int, generation: int, now: datetime) -> None:
    await tx.execute("SELECT forget_oauth($1)", now)
    await tx.execute(
        "WITH begun AS (INSERT INTO sessions (token_hash, user_id, generation, began, created_at, expires_at)"
        " VALUES ($1, $2, $3, 'browser', $5, $4))"
        " INSERT INTO oauth_sign_ins (token_hash, user_id, generation, expires_at) VALUES ($1, $2, $3, $4)",
        hashed,
        user_id,
        generation,
        now + SIGN_IN_LASTS,
        now,
    )


async def find_sign_in(tx: Connection, hashed: bytes, now: datetime) -> tuple[int, int] | None:
    """Who is signed in by this cookie, and the generation they had then."""
    row = await tx.fetchrow(
        "SELECT user_id, generation FROM oauth_sign_ins"
        " WHERE org_id = tenant() AND token_hash = $1 AND expires_at > $2",
        hashed,
        now,
    )
    return None if row is None else (row["user_id"], row["generation"])


async def remove_sign_in(tx: Connection, hashed: bytes) -> None:
    await tx.execute(
        "WITH begun AS (DELETE FROM sessions WHERE org_id = tenant() AND token_hash = $1)"
        " DELETE FROM oauth_sign_ins WHERE org_id = tenant() AND token_hash = $1",
        hashed,
    )


def _grant(row: Record) -> Grant:
    return Grant(row["id"], row["user_id"], row["application"], frozenset(row["scopes"]), row["consent_version"] or 0)


def _family(row: Record, *, by_code: bool) -> Family:
    return Family(
        id=row["id"],
        by_code=by_code,
        redirect_uri=row["redirect_uri"],
        challenge=row["challenge"],
        scopes=frozenset(row["scopes"]),
        generation=row["generation"],
        created_at=row["created_at"],
        redeemed=row["redeemed"],
        ended=row["ended"],
        refresh_expires_at=row["refresh_expires_at"],
        refresh_used=bool(row["refresh_used"]),
    )
