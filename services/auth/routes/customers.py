"""PeerAssist's customers: organisations under its names, without an envelope, for who runs the installation."""

from __future__ import annotations

from services.auth.commands import organisations as commands
from services.auth.commands.endings import Ending
from services.auth.commands.issuing import hold_caller, lock_office
from services.auth.domain.customers import UNTOLD
from services.auth.queries import customers as queries
from services.auth.routes.answering import write_and_tell
from services.auth.schemas import PAGE_QUERY
from services.auth.schemas.customers import CUSTOMER, WRITE_CUSTOMER
from shared.database import Connection
from shared.errors import InvalidData, NotFound, Unavailable, VersionMismatch
from shared.http import Answer, Call, listed, operation
from shared.identity.principal import SYSTEM_ORGANISATION

INVALID = "Invalid customer data"


@operation(
    summary="All customers, by id",
    description="A bare array; `X-Total-Count` with `total=true`, the pages beside this one in `Link`.",
    permission="manage:organisation",
    query=PAGE_QUERY,
    answers={200: CUSTOMER},
    invalid=INVALID,
    tag="Customers",
    tenant=False,
    many=True,
    enveloped=False,
)
async def list_customers(call: Call) -> Answer:
    call.org_id = SYSTEM_ORGANISATION
    async with call.read() as tx:
        found = await queries.list_customers(tx, call.page)
    enveloped = listed(call, found.json, next_cursor=found.next_cursor)
    total = "" if found.total is None else str(found.total)
    return Answer(200, found.json, headers={**enveloped.headers, "X-Total-Count": total}, enveloped=False)


@operation(
    summary="One customer",
    permission="manage:organisation",
    answers={200: CUSTOMER},
    refuses=(NotFound,),
    invalid=INVALID,
    resource="Customer",
    tag="Customers",
    tenant=False,
    enveloped=False,
)
async def show_customer(call: Call) -> Answer:
    call.org_id = SYSTEM_ORGANISATION
    async with call.read() as tx:
        return await _answer(tx, call.path["id"], NotFound("Customer"))


@operation(
    summary="Begin a customer's organisation",
    description="Without domains, with 0 hi5s a month, in UTC: `PUT /organisations/{id}` says the rest.",
    permission="manage:organisation",
    body=WRITE_CUSTOMER,
    answers={200: CUSTOMER},
    invalid=INVALID,
    tag="Customers",
    tenant=False,
    enveloped=False,
)
async def create_customer(call: Call) -> Answer:
    call.org_id = SYSTEM_ORGANISATION

    async def effect(tx: Connection) -> Answer:
        await hold_caller(tx, call.principal, call.org_id)
        settings, by = {**UNTOLD, **call.body}, call.principal.user_id
        made = await commands.create_organisation(tx, settings, (), call.context.clock(), by)
        return await _answer(tx, made.id, LookupError("an organisation that was just made is not there"))

    return await call.write(effect)


@operation(
    summary="Write a customer anew; what is optional and not named stays",
    permission="manage:organisation",
    body=WRITE_CUSTOMER,
    answers={200: CUSTOMER},
    refuses=(InvalidData, VersionMismatch, Unavailable),
    invalid=INVALID,
    tag="Customers",
    tenant=False,
    enveloped=False,
)
async def put_customer(call: Call) -> Answer:
    call.org_id = call.path["id"]
    unknown = InvalidData(INVALID, fields={"id": "No such customer."})

    async def effect(tx: Connection, ending: Ending) -> Answer:
        present = await lock_office(tx, call.principal, call.org_id)
        if present is None:
            raise unknown
        call.check_version(present.version)
        change = commands.Change(call.body, None, call.principal.user_id)
        await commands.change_organisation(tx, present, change, call.context.clock(), ending)
        return await _answer(tx, present.id, unknown)

    return await write_and_tell(call, effect)


async def _answer(tx: Connection, org_id: int, missing: Exception) -> Answer:
    document = await queries.customer(tx, org_id)
    if document is None:
        raise missing
    return Answer(200, document.json, version=document.version, enveloped=False)
