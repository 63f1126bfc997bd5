"""Value lists: the words that an organisation chooses from."""

from __future__ import annotations

from services.auth.commands import value_lists as commands
from services.auth.commands.issuing import hold_caller
from services.auth.commands.value_lists import INVALID
from services.auth.schemas import PAGE_QUERY
from services.auth.schemas import value_lists as schemas
from services.auth.store import value_lists as rows
from services.auth.store.value_lists import ValueList
from shared.database import Connection
from shared.errors import Conflict, InvalidData, NotFound, VersionMismatch
from shared.http import Answer, Call, created, listed_few, no_content, ok, operation

RESOURCE = "Value list"
TAG = "Value lists"
VIEW, MANAGE = "view:value_list", "manage:value_list"


@operation(
    summary="The value lists of the organisation, by name",
    description="The whole list, unless a page is asked for.",
    permission=VIEW,
    query=PAGE_QUERY,
    answers={200: schemas.VALUE_LIST},
    invalid="Invalid query",
    tag=TAG,
    many=True,
)
async def list_value_lists(call: Call) -> Answer:
    async with call.read() as tx:
        found = await rows.all_value_lists(tx)
    return listed_few(call, [_document(one) for one in found], "name")


@operation(
    summary="One value list",
    permission=VIEW,
    answers={200: schemas.VALUE_LIST},
    refuses=(NotFound,),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
)
async def show_value_list(call: Call) -> Answer:
    async with call.read() as tx:
        found = await rows.find_value_list(tx, call.words["name"])
    if found is None:
        raise NotFound(RESOURCE)
    return ok(_document(found), version=found.version)


@operation(
    summary="Begin a value list",
    description="`departments` is what a profile's department is then one of; `custom_report_reasons` are further"
    " reasons to report a recognition.",
    permission=MANAGE,
    body=schemas.MAKE_VALUE_LIST,
    answers={201: schemas.VALUE_LIST},
    refuses=(Conflict,),
    invalid=INVALID,
    tag=TAG,
)
async def make_value_list(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        await hold_caller(tx, call.principal, call.org_id)
        made = await commands.make_value_list(tx, call.body["name"], call.body["values"])
        return created(_document(made), version=made.version)

    return await call.write(effect)


@operation(
    summary="Set the values of a list",
    description="A locked list is 409.",
    permission=MANAGE,
    body=schemas.CHANGE_VALUE_LIST,
    answers={200: schemas.VALUE_LIST},
    refuses=(Conflict, VersionMismatch),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
)
async def change_value_list(call: Call) -> Answer:
    unknown = InvalidData(INVALID, fields={"name": "No such value list."})

    async def effect(tx: Connection) -> Answer:
        present = await _locked(tx, call, unknown)
        changed = await commands.change_value_list(tx, present, call.body["values"])
        return ok(_document(changed), version=changed.version)

    return await call.write(effect)


@operation(
    summary="Remove a value list",
    description="A locked list is 409.",
    permission=MANAGE,
    answers={204: None},
    refuses=(NotFound, Conflict, VersionMismatch),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
)
async def remove_value_list(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        await commands.remove_value_list(tx, await _locked(tx, call, NotFound(RESOURCE)))
        return no_content()

    return await call.write(effect)


async def _locked(tx: Connection, call: Call, unknown: NotFound | InvalidData) -> ValueList:
    await hold_caller(tx, call.principal, call.org_id)
    await rows.lock_value_lists(tx)
    present = await rows.find_value_list(tx, call.words["name"])
    if present is None:
        raise unknown
    call.check_version(present.version)
    return present


def _document(one: ValueList) -> dict[str, object]:
    return {"name": one.name, "values": one.values, "locked": one.locked}
