"""The organisation's API keys."""

from __future__ import annotations

from datetime import timedelta

import orjson

from services.auth.commands import api_keys as commands
from services.auth.commands.api_keys import INVALID, Making, NewKey
from services.auth.commands.endings import Ending
from services.auth.commands.issuing import end_for, hold_caller
from services.auth.queries import credentials as queries
from services.auth.queries.people import Document
from services.auth.routes.answering import shown, write_and_tell
from services.auth.schemas import PAGE_QUERY
from services.auth.schemas import credentials as schemas
from services.auth.store import api_keys as rows
from services.auth.store.api_keys import ApiKey
from services.auth.tokens import Signer
from shared.database import Connection
from shared.errors import Conflict, InvalidData, NotFound, Unavailable, VersionMismatch
from shared.http import Answer, Call, created, listed, no_content, operation

TAG = "API keys"
RESOURCE = "API key"


@operation(
    summary="Make an API key",
    description=(
        "It acts for who made it, within its scopes, until it ends, is deleted, or they leave or change role. With"
        " `origins` it is publishable: it may stand in their pages, and holds nothing but `view:insight`."
    ),
    permission="manage:api",
    body=schemas.MAKE_API_KEY,
    answers={201: schemas.NEW_API_KEY},
    refuses=(Conflict,),
    invalid=INVALID,
    tag=TAG,
    tenant=False,
)
async def make_api_key(call: Call) -> Answer:
    making = _making(call)
    expires_at = end_for(making.principal, call.body.get("expires_at"), making.now, INVALID)
    new = NewKey(call.body["name"], frozenset(call.body["scopes"]), expires_at, call.body.get("origins"))

    async def effect(tx: Connection) -> Answer:
        key_id, key = await commands.make_key(tx, making, new)
        return _issued(await _document(tx, key_id), key)

    return await call.write(effect)


@operation(
    summary="The API keys of the organisation, by id",
    permission="manage:api",
    query=PAGE_QUERY,
    answers={200: schemas.API_KEY},
    invalid=INVALID,
    tag=TAG,
    tenant=False,
    many=True,
)
async def list_api_keys(call: Call) -> Answer:
    async with call.read() as tx:
        found = await queries.list_keys(tx, call.page)
    return listed(call, found.json, total=found.total, next_cursor=found.next_cursor)


@operation(
    summary="One API key",
    permission="manage:api",
    answers={200: schemas.API_KEY},
    refuses=(NotFound,),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
    tenant=False,
)
async def show_api_key(call: Call) -> Answer:
    async with call.read() as tx:
        document = await queries.api_key(tx, call.path["id"])
    if document is None:
        raise NotFound(RESOURCE)
    return shown(document)


@operation(
    summary="Rename an API key",
    description="Its scopes stay as they are: they are signed into it. Make another key instead.",
    permission="manage:api",
    body=schemas.RENAME_API_KEY,
    answers={200: schemas.API_KEY},
    refuses=(NotFound, VersionMismatch),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
    tenant=False,
)
async def rename_api_key(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        key = await _locked(call, tx)
        await rows.rename_key(tx, key.id, call.body["name"])
        return shown(await _document(tx, key.id))

    return await call.write(effect)


@operation(
    summary="End an API key, and what was made with it",
    permission="manage:api",
    answers={204: None},
    refuses=(NotFound, VersionMismatch, Unavailable),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
    tenant=False,
)
async def delete_api_key(call: Call) -> Answer:
    async def effect(tx: Connection, ending: Ending) -> Answer:
        key = await _locked(call, tx)
        await commands.delete_key(tx, key.id, call.context.clock(), ending)
        return no_content()

    return await write_and_tell(call, effect)


@operation(
    summary="Replace an API key by a fresh one with the same id, scopes and length of life",
    description=(
        "From now on it acts for who rotates it. The one before is refused after `grace_seconds`. Without grace, which"
        " is for a key that others may know, all before it and what was made with it are refused at once."
    ),
    permission="manage:api",
    body=schemas.ROTATE_API_KEY,
    answers={201: schemas.NEW_API_KEY},
    refuses=(InvalidData, Unavailable),
    invalid=INVALID,
    tag=TAG,
    tenant=False,
)
async def rotate_api_key(call: Call) -> Answer:
    making = _making(call)
    grace = timedelta(seconds=call.body["grace_seconds"])

    async def effect(tx: Connection, ending: Ending) -> Answer:
        key = await commands.rotate_key(tx, making, call.path["id"], grace, ending)
        return _issued(await _document(tx, call.path["id"]), key)

    return await write_and_tell(call, effect)


def _making(call: Call) -> Making:
    """Whoever makes a key makes it where they belong: a super admin's are the installation's."""
    call.org_id = call.principal.org_id
    return Making(call.context.get(Signer), call.principal, call.context.clock())


def _issued(document: Document, key: str) -> Answer:
    shown_once = orjson.loads(document.json.bytes) | {"key": key}
    return created(shown_once, version=document.version, secrets=frozenset({"key"}))


async def _locked(call: Call, tx: Connection) -> ApiKey:
    await hold_caller(tx, call.principal, call.org_id)
    key = await rows.lock_key(tx, call.path["id"])
    if key is None:
        raise NotFound(RESOURCE)
    call.check_version(key.version)
    return key


async def _document(tx: Connection, key_id: int) -> Document:
    document = await queries.api_key(tx, key_id)
    if document is None:
        raise LookupError("a key that was just written is not there")
    return document
