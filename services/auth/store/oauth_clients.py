"""Rows of applications."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from asyncpg import Record

from shared.database import Connection

_CLIENT_ID = re.compile(r"[A-Za-z0-9._~-]{1,200}")


@dataclass(frozen=True, slots=True)
class Client:
    """An application; one without a secret's hash is public. `acts_for` is whose deed its own tokens are."""

    id: int
    org_id: int
    client_id: str
    name: str
    secret_hash: bytes | None
    redirect_uris: tuple[str, ...]
    scopes: frozenset[str]
    acts_for: int
    version: int
    consent_version: int
    """Grows with another name or other addresses, which are what people agree to."""

    @property
    def is_confidential(self) -> bool:
        return self.secret_hash is not None


@dataclass(frozen=True, slots=True)
class Registration:
    """What an admin says of an application."""

    name: str
    redirect_uris: Collection[str]
    scopes: Collection[str]


@dataclass(frozen=True, slots=True)
class Secret:
    """What is kept of a secret, and who got it; public applications have the latter only."""

    hashed: bytes | None
    acts_for: int


def secret_hash(secret: str) -> bytes:
    """How 256 random bits are kept: nobody finds them by trying, so one round is enough."""
    return hashlib.sha256(secret.encode()).digest()


async def organisation_of_client(connection: Connection, client_id: str) -> int | None:
    """Where an application is registered; asked before the organisation is known."""
    if not _CLIENT_ID.fullmatch(client_id):
        return None
    org_id: int | None = await connection.fetchval("SELECT organisation_of_client($1)", client_id)
    return org_id


async def find_client(tx: Connection, client_id: str) -> Client | None:
    row = await tx.fetchrow("SELECT * FROM oauth_clients WHERE org_id = tenant() AND client_id = $1", client_id)
    return None if row is None else _client(row)


async def lock_client(tx: Connection, application: int) -> Client | None:
    row = await tx.fetchrow("SELECT * FROM oauth_clients WHERE org_id = tenant() AND id = $1 FOR UPDATE", application)
    return None if row is None else _client(row)


async def add_client(tx: Connection, client_id: str, wanted: Registration, secret: Secret, now: datetime) -> int:
    made: int = await tx.fetchval(
        "INSERT INTO oauth_clients (client_id, name, secret_hash, redirect_uris, scopes, acts_for, created_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
        client_id,
        wanted.name,
        secret.hashed,
        list(wanted.redirect_uris),
        sorted(wanted.scopes),
        secret.acts_for,
        now,
    )
    return made


async def change_client(tx: Connection, application: int, wanted: Registration) -> None:
    await tx.execute(
        "UPDATE oauth_clients SET name = $2, redirect_uris = $3, scopes = $4, version = version + 1,"
        " consent_version = coalesce(consent_version, 0) + ((name, redirect_uris) IS DISTINCT FROM ($2, $3))::integer"
        " WHERE org_id = tenant() AND id = $1",
        application,
        wanted.name,
        list(wanted.redirect_uris),
        sorted(wanted.scopes),
    )


async def change_secret(tx: Connection, application: int, secret: Secret) -> None:
    await tx.execute(
        "UPDATE oauth_clients SET secret_hash = $2, acts_for = $3, version = version + 1"
        " WHERE org_id = tenant() AND id = $1",
        application,
        secret.hashed,
        secret.acts_for,
    )


async def remove_client(tx: Connection, application: int) -> None:
    """The application, and all that anybody allowed it."""
    await tx.execute("DELETE FROM oauth_clients WHERE org_id = tenant() AND id = $1", application)


def _client(row: Record) -> Client:
    return Client(
        id=row["id"],
        org_id=row["org_id"],
        client_id=row["client_id"],
        name=row["name"],
        secret_hash=row["secret_hash"],
        redirect_uris=tuple(row["redirect_uris"]),
        scopes=frozenset(row["scopes"]),
        acts_for=row["acts_for"],
        version=row["version"],
        consent_version=row["consent_version"] or 0,
    )
