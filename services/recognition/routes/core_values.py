"""What people are thanked for."""

from __future__ import annotations

from typing import Any

import orjson

from services.recognition.commands import core_values as commands
from services.recognition.domain.core_values import INVALID_CORE_VALUE, CoreValueInUse, DuplicateText, nested
from services.recognition.queries import core_values as queries
from services.recognition.routes import querying
from services.recognition.schemas import core_values as schemas
from services.recognition.store.core_values import CoreValue
from shared.database import Connection
from shared.errors import InvalidData, NotFound, Refusal
from shared.http import Answer, Call, created, listed_whole, no_content, ok, operation

RESOURCE = "Core value"
TAG = "Core values"


@operation(
    summary="Create a core value",
    permission="create:core_value",
    body=schemas.CREATE_CORE_VALUE,
    answers={201: schemas.CORE_VALUE},
    refuses=(DuplicateText,),
    invalid=INVALID_CORE_VALUE,
    resource=RESOURCE,
    tag=TAG,
)
async def create_core_value(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        made = await commands.create_core_value(tx, call.body)
        return created(_document(made), version=made.version)

    return await call.write(effect)


@operation(
    summary="Replace a core value's text and description",
    description="Its parent and thumbnail stay.",
    permission="update:core_value",
    body=schemas.REPLACE_CORE_VALUE,
    answers={200: schemas.CORE_VALUE},
    refuses=(DuplicateText,),
    invalid=INVALID_CORE_VALUE,
    resource=RESOURCE,
    tag=TAG,
)
async def replace_core_value(call: Call) -> Answer:
    return await _change(call, unknown=InvalidData(INVALID_CORE_VALUE, fields={"id": "No such core value."}))


@operation(
    summary="Change a core value",
    description="Only what is given; a parent of null makes it a root.",
    permission="update:core_value",
    body=schemas.CHANGE_CORE_VALUE,
    answers={200: schemas.CORE_VALUE},
    refuses=(DuplicateText,),
    invalid=INVALID_CORE_VALUE,
    resource=RESOURCE,
    tag=TAG,
)
async def change_core_value(call: Call) -> Answer:
    return await _change(call, unknown=NotFound(RESOURCE))


async def _change(call: Call, unknown: Refusal) -> Answer:
    async def effect(tx: Connection) -> Answer:
        changed = await commands.change_core_value(tx, call.path["id"], call.body, call.check_version)
        if changed is None:
            raise unknown
        return ok(_document(changed), version=changed.version)

    return await call.write(effect)


@operation(
    summary="Delete an unused core value",
    permission="delete:core_value",
    answers={204: None},
    refuses=(CoreValueInUse,),
    invalid=INVALID_CORE_VALUE,
    resource=RESOURCE,
    tag=TAG,
)
async def delete_core_value(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        if not await commands.delete_core_value(tx, call.path["id"], call.check_version):
            raise NotFound(RESOURCE)
        return no_content()

    return await call.write(effect)


@operation(
    summary="List all core values",
    description=(
        "The whole list, ordered by id, unless a page is asked for; with `?tree=true` the roots,"
        " each with its `children`."
    ),
    permission="view:core_value",
    query=querying.CORE_VALUE_QUERY,
    answers={200: querying.LISTED_CORE_VALUE},
    many=True,
    invalid=INVALID_CORE_VALUE,
    resource=RESOURCE,
    tag=TAG,
)
async def list_core_values(call: Call) -> Answer:
    queried = await querying.core_values(call)
    if queried is not None:
        return queried
    rows, count = await queries.core_values(call.context.database, call.org_id)
    return listed_whole(call, nested(orjson.loads(rows.bytes)) if call.query["tree"] else rows, count)


@operation(
    summary="Show a core value",
    permission="view:core_value",
    answers={200: schemas.CORE_VALUE},
    invalid=INVALID_CORE_VALUE,
    resource=RESOURCE,
    tag=TAG,
)
async def show_core_value(call: Call) -> Answer:
    async with call.read() as tx:
        found = await queries.core_value(tx, call.path["id"])
    if found is None:
        raise NotFound(RESOURCE)
    document, version = found
    return ok(document, version=version)


def _document(value: CoreValue) -> dict[str, Any]:
    document = value._asdict()
    del document["version"]
    return document
