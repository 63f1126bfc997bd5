"""What several routes do: end credentials and wait until everybody can know, work for the organisation of a user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from services.auth.commands.endings import Ending
from services.auth.queries.people import Document
from services.auth.store.tenants import organisation_of_user
from shared import outbox
from shared.contracts.auth import SessionRevoked
from shared.database import Connection
from shared.errors import AccessDenied, Refusal, Unavailable
from shared.http import Answer, Call, ok
from shared.identity import Role
from shared.identity.roles import PERMISSIONS

CONFIRM_SECONDS = 0.9
RECORDED = "It is recorded and holds here, but other services do not know yet: the message broker does not confirm"

Ends = Callable[[Connection, Ending], Awaitable[Answer]]


async def write_and_tell(call: Call, effect: Ends) -> Answer:
    """Runs an effect that may end credentials; answers, and answers again, when the transport has confirmed that.

    Raises `Unavailable` when that takes a second: the effect stands all the same.
    """
    ending = Ending()

    async def run(tx: Connection) -> Answer:
        ending.events.clear()
        ending.revocations.clear()
        return await effect(tx, ending)

    answer = await call.write(run)
    call.context.verifier.note(ending.revocations)
    if not await _is_told(call, ending, answer):
        raise Unavailable(RECORDED)
    return answer


async def _is_told(call: Call, ending: Ending, answer: Answer) -> bool:
    database = call.context.database
    if answer.is_replayed:
        return await outbox.none_waits(database, call.org_id, SessionRevoked, CONFIRM_SECONDS)
    return not ending.events or await outbox.all_sent(database, ending.events, CONFIRM_SECONDS)


def require_all_rights(call: Call) -> None:
    """For what opens a way to everything that somebody may: a narrowed credential must not widen itself by it.

    Raises `AccessDenied`.
    """
    if not PERMISSIONS[Role(call.principal.role_id)] <= call.principal.permissions:
        raise AccessDenied


async def work_for_owner(call: Call, unknown: Refusal) -> None:
    """Makes a super admin's call one of the organisation of the path's user. Raises `unknown` when there is none."""
    if not call.principal.is_super_admin:
        return
    async with call.context.database.connection() as connection:
        org_id = await organisation_of_user(connection, call.path["id"])
    if org_id is None:
        raise unknown
    call.org_id = org_id


def shown(document: Document) -> Answer:
    return ok(document.json, version=document.version)
