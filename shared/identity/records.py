"""Keys and revocations as rows of each service's own schema: written by events, read into memory by every process."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from shared import maintenance
from shared.contracts import Event
from shared.contracts.auth import SessionRevoked, SigningKeysChanged
from shared.database import DATABASE_IS_AWAY, Connection, Database
from shared.envelope import Received
from shared.identity import external_records
from shared.identity.external import ExternalTokens
from shared.identity.verifier import PublicKey, Revocation, Verifier
from shared.inbox import Handler
from shared.maintenance import Maintenance
from shared.waiting import stopped_within

POLL_SECONDS = 0.25
OVERLAP = timedelta(seconds=10)
FULL_READ_EVERY = 240
"""Polls between two full reads, which also drop what has expired: a minute."""

_KEEP_REVOCATION = """
INSERT INTO revocations AS known (credential, min_generation, lifted, version, expires_at, effective_at)
VALUES ($1, $2, $3, $4, to_timestamp($5), to_timestamp($6))
ON CONFLICT (credential) DO UPDATE SET
    min_generation = greatest(known.min_generation, excluded.min_generation), lifted = excluded.lifted,
    version = excluded.version, expires_at = greatest(known.expires_at, excluded.expires_at),
    effective_at = least(known.effective_at, excluded.effective_at),
    changed_at = clock_timestamp()
WHERE known.version < excluded.version
"""


async def keep_revocation(tx: Connection, revoked: SessionRevoked) -> None:
    """Writes a revocation down; an older one about the same credential changes nothing."""
    await tx.execute(
        _KEEP_REVOCATION,
        credential_of(revoked),
        revoked.min_generation,
        revoked.lifted,
        revoked.version,
        revoked.expires_at,
        revoked.effective_at or 0,
    )


def credential_of(revoked: SessionRevoked) -> str:
    """What a verifier knows the refused credentials by."""
    if revoked.jti is not None:
        return f"jti:{revoked.jti}"
    if revoked.user_id is not None:
        return f"user:{revoked.user_id}"
    if revoked.client_id is not None:
        return f"client:{revoked.client_id}"
    return f"organisation:{revoked.organisation_id}"


async def keep_keys(tx: Connection, changed: SigningKeysChanged) -> None:
    """Replaces the known public keys by a newer set."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('signing_keys', 0))")
    if changed.version <= (await tx.fetchval("SELECT max(version) FROM signing_keys") or 0):
        return
    await tx.execute("DELETE FROM signing_keys")
    await tx.executemany(
        "INSERT INTO signing_keys (kid, x, not_after, version) VALUES ($1, $2, to_timestamp($3), $4)",
        [(key.kid, key.x, key.not_after, changed.version) for key in changed.keys],
    )


async def session_revoked(tx: Connection, received: Received[SessionRevoked]) -> None:
    """Keeps a revocation of another service's making."""
    await keep_revocation(tx, received.event)


async def signing_keys_changed(tx: Connection, received: Received[SigningKeysChanged]) -> None:
    """Keeps the public keys of the day."""
    await keep_keys(tx, received.event)


HANDLERS: dict[type[Event], Handler] = {
    SessionRevoked: session_revoked,
    SigningKeysChanged: signing_keys_changed,
    **external_records.HANDLERS,
    **maintenance.HANDLERS,
}
"""What every service that answers requests handles."""


class Records:
    """Reads keys, revocations, identity providers and maintenance windows from the service's own tables into memory."""

    def __init__(self, database: Database, verifier: Verifier, external: ExternalTokens, planned: Maintenance) -> None:
        self._database = database
        self._verifier = verifier
        self._external = external
        self._maintenance = planned
        self._read_until = datetime.fromtimestamp(0, UTC)

    async def load(self) -> None:
        """Everything, as at the start. Raises what the database raises."""
        known = self._verifier.revocations()
        async with self._database.connection() as connection:
            await self._read_keys(connection)
            await self._read_revocations(connection, datetime.fromtimestamp(0, UTC))
            await self._external.read_changes(connection)
            await self._maintenance.read(connection)
            rows = await connection.fetch("SELECT credential FROM revocations WHERE NOT lifted")
        on_record = {row["credential"] for row in rows}
        self._verifier.forget(one for one in known if one.credential not in on_record)

    async def refresh(self) -> None:
        """What changed since the last read, with an overlap for transactions that committed late."""
        async with self._database.connection() as connection:
            await self._read_keys(connection)
            await self._read_revocations(connection, max(self._read_until - OVERLAP, datetime.fromtimestamp(0, UTC)))
            await self._external.read_changes(connection)
            await self._maintenance.read(connection)

    async def run(self, stop: asyncio.Event) -> None:
        """Refreshes four times a second until `stop`; what is known stays in force while the database is away."""
        polls = 0
        while not await stopped_within(stop, POLL_SECONDS):
            polls += 1
            try:
                await (self.load() if polls % FULL_READ_EVERY == 0 else self.refresh())
                await self._external.look_up_again()
            except DATABASE_IS_AWAY:
                continue

    async def _read_keys(self, connection: Connection) -> None:
        rows = await connection.fetch("SELECT kid, x, not_after FROM signing_keys")
        self._verifier.use_keys(PublicKey(row["kid"], row["x"], row["not_after"]) for row in rows)

    async def _read_revocations(self, connection: Connection, since: datetime) -> None:
        rows = await connection.fetch(
            "SELECT credential, min_generation, lifted, extract(epoch FROM effective_at)::bigint AS effective_at,"
            " changed_at FROM revocations WHERE changed_at > $1",
            since,
        )
        self._verifier.note(
            Revocation(row["credential"], row["min_generation"], row["lifted"], row["effective_at"]) for row in rows
        )
        self._read_until = max([self._read_until, *(row["changed_at"] for row in rows)])
