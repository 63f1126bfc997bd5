"""Ends credentials: recorded here and told to everybody in the transaction of what caused it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.auth.store.credentials import forget_password_resets_of, lock_credential
from services.auth.store.organisations import Organisation
from services.auth.tokens import FORGET_AFTER
from shared import outbox
from shared.contracts.auth import SessionRevoked
from shared.database import Connection
from shared.identity import Principal
from shared.identity.claims import LEEWAY
from shared.identity.records import credential_of, keep_revocation
from shared.identity.verifier import Revocation

LATER, AT_ONCE = 1, 2
"""Versions of the revocation of one credential: whoever ends it at once does not wait for a later end."""


@dataclass(slots=True)
class Ending:
    """What a transaction has ended, and the events whose confirmation its answer waits for."""

    events: list[UUID] = field(default_factory=list)
    revocations: list[Revocation] = field(default_factory=list)

    async def of_session(self, tx: Connection, principal: Principal) -> None:
        """Exactly the presented credential."""
        await self.of_credential(tx, principal.jti, principal.expires_at)

    async def of_person(self, tx: Connection, person_id: int, generation: int, now: datetime) -> None:
        """All tokens of a person that are older than this generation, and the unused links that they gave to others."""
        await forget_password_resets_of(tx, person_id)
        await self._record(
            tx,
            _revoked(user_id=person_id, min_generation=generation, version=generation, expires_at=_forget(now)),
        )

    async def of_organisation(self, tx: Connection, organisation: Organisation, now: datetime) -> None:
        """All tokens of an organisation that is not active, or none any more of one that is again."""
        await self._record(
            tx,
            _revoked(
                organisation_id=organisation.id,
                lifted=organisation.is_active,
                version=organisation.version,
                expires_at=_forget(now),
            ),
        )

    async def of_credential(self, tx: Connection, jti: str, expires_at: int, effective_at: int | None = None) -> None:
        """One credential by its `jti`, at once, which is the last word, or from a moment on; times in epoch seconds."""
        forget = expires_at + int(LEEWAY.total_seconds()) + 60
        await lock_credential(tx, jti)
        version = AT_ONCE if effective_at is None else LATER
        await self._record(tx, _revoked(jti=jti, version=version, effective_at=effective_at, expires_at=forget))

    async def of_client(self, tx: Connection, client_id: str, now: datetime) -> None:
        """Everything that was issued to one API key, personal token or application."""
        await self._record(tx, _revoked(client_id=client_id, version=1, expires_at=_forget(now)))

    async def _record(self, tx: Connection, revoked: SessionRevoked) -> None:
        await keep_revocation(tx, revoked)
        self.revocations.append(
            Revocation(credential_of(revoked), revoked.min_generation, revoked.lifted, revoked.effective_at or 0)
        )
        self.events += await outbox.append(tx, revoked)


def _forget(now: datetime) -> int:
    return int((now + FORGET_AFTER).timestamp())


def _revoked(
    *,
    version: int,
    expires_at: int,
    jti: str | None = None,
    user_id: int | None = None,
    min_generation: int | None = None,
    organisation_id: int | None = None,
    client_id: str | None = None,
    lifted: bool = False,
    effective_at: int | None = None,
) -> SessionRevoked:
    return SessionRevoked(
        jti=jti,
        user_id=user_id,
        min_generation=min_generation,
        organisation_id=organisation_id,
        client_id=client_id,
        lifted=lifted,
        version=version,
        effective_at=effective_at,
        expires_at=expires_at,
    )
