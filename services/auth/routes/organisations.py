"""Organisations: the installation's list, one, one's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from services.auth import schemas
from services.auth.commands import organisations as commands
from services.auth.commands.endings import Ending
from services.auth.commands.issuing import check_in_person, hold_caller, lock_office
from services.auth.domain.names import Domain
from services.auth.domain.organisations import changeable
from services.auth.queries import organisations as queries
from services.auth.routes.answering import shown, write_and_tell
from shared.database import Connection
from shared.errors import Conflict, InvalidData, NotFound, Unavailable, VersionMismatch
from shared.http import Answer, Call, created, listed, operation
from shared.identity import Role
from shared.identity.principal import SYSTEM_ORGANISATION

INVALID = "Invalid organisation data"
SEES_BILLING = (Role.SUPER_ADMIN, Role.ORGANISATION_ADMIN)


@operation(
    summary="Begin an organisation",
    permission="manage:organisation",
    body=schemas.WRITE_ORGANISATION,
    answers={201: schemas.ORGANISATION},
    refuses=(Conflict,),
    invalid=INVALID,
    tag="Organisations",
    tenant=False,
)
async def create_organisation(call: Call) -> Answer:
    call.org_id = SYSTEM_ORGANISATION

    async def effect(tx: Connection) -> Answer:
        await hold_caller(tx, call.principal, call.org_id)
        settings, domains = _wanted(call)
        made = await commands.create_organisation(
            tx, settings, domains or (), call.context.clock(), call.principal.user_id
        )
        document = await queries.organisation(tx, made.id, with_billing=True)
        if document is None:
            raise LookupError("an organisation that was just made is not there")
        return created(document.json, version=document.version)

    return await call.write(effect)


@operation(
    summary="All organisations of the installation, by id",
    permission="manage:organisation",
    query=schemas.PAGE_QUERY,
    answers={200: schemas.ORGANISATION},
    invalid=INVALID,
    tag="Organisations",
    tenant=False,
    many=True,
)
async def list_organisations(call: Call) -> Answer:
    call.org_id = SYSTEM_ORGANISATION
    async with call.read() as tx:
        found = await queries.list_organisations(tx, call.page)
    return listed(call, found.json, total=found.total, next_cursor=found.next_cursor)


@operation(
    summary="My organisation",
    permission="view:organisation",
    answers={200: schemas.ORGANISATION},
    refuses=(NotFound,),
    invalid=INVALID,
    resource="Organisation",
    tag="Organisations",
)
async def show_my_organisation(call: Call) -> Answer:
    return await _shown(call, call.org_id)


@operation(
    summary="One organisation",
    permission="view:organisation",
    answers={200: schemas.ORGANISATION},
    refuses=(NotFound,),
    invalid=INVALID,
    resource="Organisation",
    tag="Organisations",
    tenant=False,
)
async def show_organisation(call: Call) -> Answer:
    if not _may_see(call):
        raise NotFound("Organisation")
    call.org_id = call.path["id"]
    return await _shown(call, call.org_id)


async def _shown(call: Call, org_id: int) -> Answer:
    async with call.read() as tx:
        document = await queries.organisation(tx, org_id, with_billing=call.principal.role_id in SEES_BILLING)
    if document is None:
        raise NotFound("Organisation")
    return shown(document)


@operation(
    summary="Write an organisation anew; what is optional and not named stays",
    description="Number, status and subscription are the installation's to set: an organisation's admin cannot."
    " Domains let people in: naming others than it has takes a session.",
    permission="update:organisation",
    body=schemas.WRITE_ORGANISATION,
    answers={200: schemas.ORGANISATION},
    refuses=(InvalidData, Conflict, VersionMismatch, Unavailable),
    invalid=INVALID,
    tag="Organisations",
    tenant=False,
)
async def put_organisation(call: Call) -> Answer:
    return await _change(call, InvalidData(INVALID, fields={"id": "No such organisation."}))


@operation(
    summary="Change parts of an organisation",
    description="Number, status and subscription are the installation's to set: an organisation's admin cannot."
    " Domains let people in: naming others than it has takes a session.",
    permission="update:organisation",
    body=schemas.CHANGE_ORGANISATION,
    answers={200: schemas.ORGANISATION},
    refuses=(NotFound, Conflict, VersionMismatch, Unavailable),
    invalid=INVALID,
    resource="Organisation",
    tag="Organisations",
    tenant=False,
)
async def patch_organisation(call: Call) -> Answer:
    return await _change(call, NotFound("Organisation"))


async def _change(call: Call, unknown: InvalidData | NotFound) -> Answer:
    if not _may_see(call):
        raise unknown
    call.org_id = call.path["id"]

    async def effect(tx: Connection, ending: Ending) -> Answer:
        present = await lock_office(tx, call.principal, call.org_id)
        if present is None:
            raise unknown
        call.check_version(present.version)
        change = commands.Change(*_wanted(call), call.principal.user_id)
        if change.domains is not None and not await commands.has_domains(tx, present.id, change.domains):
            check_in_person(call.principal)
        await commands.change_organisation(tx, present, change, call.context.clock(), ending)
        document = await queries.organisation(tx, present.id, with_billing=True)
        if document is None:
            raise LookupError("an organisation that was just changed is not there")
        return shown(document)

    return await write_and_tell(call, effect)


async def of_the_organisation(call: Call) -> None:
    """Makes the call one of the organisation that it names."""
    if not _may_see(call):
        raise NotFound("Organisation")
    call.org_id = call.path["id"]


def _may_see(call: Call) -> bool:
    return call.principal.is_super_admin or call.path["id"] == call.principal.org_id


def _wanted(call: Call) -> tuple[dict[str, Any], Sequence[Domain] | None]:
    """The columns that the body sets, and the domains if it names them."""
    settings = changeable(call.body, by_super_admin=call.principal.is_super_admin)
    until = settings.get("subscription_valid_upto")
    if until is not None:
        settings["subscription_valid_upto"] = datetime.fromtimestamp(until, UTC)
    return settings, call.body.get("domain_names")
