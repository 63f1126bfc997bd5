"""Providers and identities as rows of each service's own schema: written by events, read where tokens are verified."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime

import orjson
from asyncpg import Record

from shared.contracts import Event
from shared.contracts.providers import ExternalIdentityResolved, IdentityProviderChanged
from shared.database import Connection
from shared.envelope import Received
from shared.identity.external_claims import Provider, TrustedKey, trusted_key
from shared.inbox import Handler

_KEEP_PROVIDER = """
INSERT INTO trusted_providers AS known (
    provider_id, organisation_id, organisation_name, domains, issuer, audience, email_claim, keys, removed, fetched_at,
    version
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9, to_timestamp($10 / 1000.0), $11)
ON CONFLICT (provider_id) DO UPDATE SET
    organisation_name = excluded.organisation_name, domains = excluded.domains, issuer = excluded.issuer,
    audience = excluded.audience, email_claim = excluded.email_claim, keys = excluded.keys, removed = excluded.removed,
    fetched_at = excluded.fetched_at, version = excluded.version, changed_at = clock_timestamp()
WHERE known.version < excluded.version
"""
_KEEP_IDENTITY = """
INSERT INTO external_identities AS known (provider_id, subject, user_id, version) VALUES ($1, $2, $3, $4)
ON CONFLICT (org_id, provider_id, subject) DO UPDATE SET user_id = excluded.user_id, version = excluded.version
WHERE known.version < excluded.version
"""
_PROVIDERS = """
SELECT *, extract(epoch FROM fetched_at)::float8 AS fetched, keys::text AS keys_text
FROM trusted_providers WHERE changed_at > $1
"""
_LINKED = """
SELECT identity.user_id, member.role_id, member.active, member.generation, member.version > 0 AS known
FROM external_identities AS identity
LEFT JOIN members AS member ON member.org_id = identity.org_id AND member.user_id = identity.user_id
WHERE identity.org_id = tenant() AND identity.provider_id = $1 AND identity.subject = $2
"""


@dataclass(frozen=True, slots=True)
class Linked:
    """Whose identity it is as far as this service knows; `user_id` is None where auth refused it.

    A person who is not `known` yet is somebody whose own event is on its way.
    """

    user_id: int | None
    role_id: int
    active: bool
    generation: int
    known: bool


LinkedOf = Callable[[Connection, int, str], Awaitable[Linked | None]]
"""Looks up a provider's subject; None where nothing is known of it."""


async def keep_provider(tx: Connection, changed: IdentityProviderChanged) -> None:
    """Takes the newer snapshot of a provider."""
    await tx.execute(
        _KEEP_PROVIDER,
        changed.provider_id,
        changed.organisation_id,
        changed.organisation_name,
        list(changed.domains),
        changed.issuer,
        changed.audience,
        changed.email_claim,
        orjson.dumps([asdict(key) for key in changed.keys]).decode(),
        changed.state == "removed",
        changed.fetched_at,
        changed.version,
    )


async def keep_identity(tx: Connection, resolved: ExternalIdentityResolved) -> None:
    """Takes the newer word on whose identity it is."""
    await tx.execute(_KEEP_IDENTITY, resolved.provider_id, resolved.sub, resolved.user_id, resolved.version)


async def provider_changed(tx: Connection, received: Received[IdentityProviderChanged]) -> None:
    """Keeps a provider of auth's telling."""
    await keep_provider(tx, received.event)


async def identity_resolved(tx: Connection, received: Received[ExternalIdentityResolved]) -> None:
    """Keeps whose identity it is."""
    await keep_identity(tx, received.event)


HANDLERS: dict[type[Event], Handler] = {
    IdentityProviderChanged: provider_changed,
    ExternalIdentityResolved: identity_resolved,
}
"""What every service that verifies tokens handles of providers."""


async def linked_member(tx: Connection, provider_id: int, subject: str) -> Linked | None:
    """Looks a subject up where people are read models, as `members` keeps them."""
    row = await tx.fetchrow(_LINKED, provider_id, subject)
    return None if row is None else linked(row)


def linked(row: Record) -> Linked:
    """A row of a look-up; what an outer join did not find is null."""
    return Linked(
        user_id=row["user_id"],
        role_id=row["role_id"] or 0,
        active=bool(row["active"]),
        generation=row["generation"] or 0,
        known=bool(row["known"]),
    )


async def changed_providers(connection: Connection, since: datetime) -> list[Record]:
    """The rows that changed after a moment."""
    return list(await connection.fetch(_PROVIDERS, since))


def provider_of(row: Record) -> Provider:
    """A row as tokens are verified with it; keys that are no strong ones are left out."""
    keys: dict[str, TrustedKey] = {}
    for told in orjson.loads(row["keys_text"]):
        key = trusted_key(told["algorithm"], told["spki"])
        if key is not None:
            keys[told["kid"]] = key
    return Provider(
        id=row["provider_id"],
        organisation_id=row["organisation_id"],
        organisation_name=row["organisation_name"],
        domains=frozenset(row["domains"]),
        issuer=row["issuer"],
        audience=row["audience"],
        email_claim=row["email_claim"],
        keys=keys,
        fetched_at=row["fetched"] or 0.0,
        version=row["version"],
    )
