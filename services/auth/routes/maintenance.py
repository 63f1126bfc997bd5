"""Maintenance windows: everybody may know them, the installation's admins plan them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID

from services.auth.commands import maintenance as commands
from services.auth.commands.issuing import hold_caller
from services.auth.commands.maintenance import INVALID, Plan
from services.auth.queries import maintenance as queries
from services.auth.queries.people import Document
from services.auth.routes.answering import CONFIRM_SECONDS, shown
from services.auth.schemas import PAGE_QUERY
from services.auth.schemas import maintenance as schemas
from services.auth.store import maintenance as rows
from services.auth.store.maintenance import PlannedWindow
from shared import outbox
from shared.database import Connection
from shared.errors import Conflict, InvalidData, NotFound, VersionMismatch
from shared.http import Answer, Call, created, listed_few, no_content, operation
from shared.identity import PUBLIC
from shared.identity.principal import SYSTEM_ORGANISATION

TAG = "Maintenance"
RESOURCE = "Maintenance window"
PERMISSION = "manage:maintenance"

Change = Callable[[Connection], Awaitable[tuple[Answer, UUID]]]


@operation(
    summary="The maintenance windows that run or are to come, the earliest first",
    description="The whole list, unless a page is asked for.",
    permission=PUBLIC,
    query=PAGE_QUERY,
    answers={200: schemas.MAINTENANCE_WINDOW},
    invalid="Invalid query",
    tag=TAG,
    many=True,
)
async def list_maintenance_windows(call: Call) -> Answer:
    async with call.read() as tx:
        found = await queries.list_windows(tx, call.context.clock())
    return listed_few(call, found, "starts_at", "id")


@operation(
    summary="Plan a maintenance window",
    description="Within it, requests that write are 503 with Retry-After; reading, signing in and out, and these routes"
    " go on. Windows do not overlap, and a hundred are planned at most.",
    permission=PERMISSION,
    body=schemas.WRITE_WINDOW,
    answers={201: schemas.MAINTENANCE_WINDOW},
    refuses=(Conflict,),
    invalid=INVALID,
    tag=TAG,
    tenant=False,
    during_maintenance=True,
)
async def plan_maintenance_window(call: Call) -> Answer:
    async def change(tx: Connection) -> tuple[Answer, UUID]:
        window_id, told = await commands.plan_window(tx, Plan(**call.body), call.context.clock())
        document = await _document(tx, window_id)
        return created(document.json, version=document.version), told

    return await _write_and_tell(call, change)


@operation(
    summary="Move a maintenance window, or end it earlier or later",
    permission=PERMISSION,
    body=schemas.WRITE_WINDOW,
    answers={200: schemas.MAINTENANCE_WINDOW},
    refuses=(Conflict, VersionMismatch),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
    tenant=False,
    during_maintenance=True,
)
async def move_maintenance_window(call: Call) -> Answer:
    unknown = InvalidData(INVALID, fields={"id": "No such maintenance window."})

    async def change(tx: Connection) -> tuple[Answer, UUID]:
        present = await _locked(tx, call, unknown)
        told = await commands.move_window(tx, present, Plan(**call.body), call.context.clock())
        return shown(await _document(tx, present.id)), told

    return await _write_and_tell(call, change)


@operation(
    summary="Remove a maintenance window; one that runs ends",
    permission=PERMISSION,
    answers={204: None},
    refuses=(NotFound, VersionMismatch),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
    tenant=False,
    during_maintenance=True,
)
async def remove_maintenance_window(call: Call) -> Answer:
    async def change(tx: Connection) -> tuple[Answer, UUID]:
        present = await _locked(tx, call, NotFound(RESOURCE))
        return no_content(), await commands.remove_window(tx, present)

    return await _write_and_tell(call, change)


async def _write_and_tell(call: Call, change: Change) -> Answer:
    """Answers when the transport has confirmed the change, or when it has not for most of a second."""
    call.org_id = SYSTEM_ORGANISATION
    told: list[UUID] = []

    async def effect(tx: Connection) -> Answer:
        await hold_caller(tx, call.principal, call.org_id)
        answer, event_id = await change(tx)
        told[:] = [event_id]
        return answer

    answer = await call.write(effect)
    if told:
        await outbox.all_sent(call.context.database, told, CONFIRM_SECONDS)
    return answer


async def _locked(tx: Connection, call: Call, unknown: NotFound | InvalidData) -> PlannedWindow:
    await rows.lock_windows(tx)
    present = await rows.find_window(tx, call.path["id"])
    if present is None:
        raise unknown
    call.check_version(present.version)
    return present


async def _document(tx: Connection, window_id: int) -> Document:
    document = await queries.maintenance_window(tx, window_id)
    if document is None:
        raise LookupError("a maintenance window that was just kept is not there")
    return document
