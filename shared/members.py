"""The read models of organisations and people that recognition, quota and moderation keep of auth's events."""

from __future__ import annotations

from shared.context import Context
from shared.contracts import Event
from shared.contracts import auth as events
from shared.database import Connection
from shared.envelope import Received
from shared.identity import Principal
from shared.inbox import Handler

UserEvent = events.UserJoined | events.UserChanged | events.UserDeactivated | events.UserRestored
OrganisationEvent = events.OrganisationCreated | events.OrganisationChanged

_KEEP_MEMBER = """
INSERT INTO members AS known
    (user_id, email, first_name, last_name, display_name, profile_image_url, role_id, active, generation, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (org_id, user_id) DO UPDATE SET
    email = excluded.email, first_name = excluded.first_name, last_name = excluded.last_name,
    display_name = excluded.display_name, profile_image_url = excluded.profile_image_url,
    role_id = excluded.role_id, active = excluded.active, generation = excluded.generation, version = excluded.version
WHERE known.version < excluded.version
RETURNING true
"""

_KEEP_ORGANISATION = """
INSERT INTO organisations AS known
    (org_id, name, status, hi5_limit, hi5_quota_renewal_frequency, timezone, recognition_hi5_cost, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (org_id) DO UPDATE SET
    name = excluded.name, status = excluded.status, hi5_limit = excluded.hi5_limit,
    hi5_quota_renewal_frequency = excluded.hi5_quota_renewal_frequency, timezone = excluded.timezone,
    recognition_hi5_cost = excluded.recognition_hi5_cost, version = excluded.version
WHERE known.version < excluded.version
RETURNING true
"""


async def keep_member(tx: Connection, received: Received[UserEvent]) -> bool:
    """Takes the newer snapshot of a person; tells whether it was newer than what was known."""
    user = received.event
    return bool(
        await tx.fetchval(
            _KEEP_MEMBER,
            user.user_id,
            user.email,
            user.first_name,
            user.last_name,
            user.display_name,
            user.profile_image_url,
            user.role_id,
            user.active,
            user.generation,
            user.version,
        )
    )


async def keep_organisation(tx: Connection, received: Received[OrganisationEvent]) -> bool:
    """Takes the newer snapshot of an organisation; tells whether it was newer than what was known."""
    organisation = received.event
    return bool(
        await tx.fetchval(
            _KEEP_ORGANISATION,
            organisation.organisation_id,
            organisation.name,
            organisation.status,
            organisation.hi5_limit,
            organisation.hi5_quota_renewal_frequency,
            organisation.timezone,
            organisation.recognition_hi5_cost,
            organisation.version,
        )
    )


async def organisation_told(tx: Connection, received: Received[OrganisationEvent]) -> None:
    """Keeps the organisation, nothing more."""
    await keep_organisation(tx, received)


async def person_told(tx: Connection, received: Received[UserEvent]) -> None:
    """Keeps the person, nothing more."""
    await keep_member(tx, received)


def handlers(*, organisation: Handler = organisation_told, person: Handler = person_told) -> dict[type[Event], Handler]:
    """The rows of a service's table about organisations and people; one that does more names its own handler."""
    return {
        events.OrganisationCreated: organisation,
        events.OrganisationChanged: organisation,
        events.UserJoined: person,
        events.UserChanged: person,
        events.UserDeactivated: person,
        events.UserRestored: person,
    }


async def ensure_member(tx: Connection, principal: Principal) -> None:
    """Writes a row at version 0 for the owner of a valid token whose event has not arrived yet."""
    await tx.execute(
        "INSERT INTO members (user_id, role_id, version) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",
        principal.user_id,
        principal.role_id,
    )


async def organisation_is_known(context: Context, org_id: int) -> bool:
    """Whether this service has heard of an organisation."""
    async with context.database.transaction(org_id, read_only=True) as tx:
        return bool(await tx.fetchval("SELECT EXISTS (SELECT FROM organisations WHERE org_id = $1)", org_id))
