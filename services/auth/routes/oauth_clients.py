"""Applications of an organisation, and what people allowed them."""

from __future__ import annotations

from typing import Any

import orjson

from services.auth import schemas as shared_schemas
from services.auth.commands import oauth_clients as commands
from services.auth.commands.endings import Ending
from services.auth.commands.issuing import hold_caller
from services.auth.commands.oauth_clients import INVALID, Registered
from services.auth.commands.oauth_tokens import end_grant
from services.auth.queries import oauth as queries
from services.auth.queries.people import Document
from services.auth.routes.answering import shown, write_and_tell
from services.auth.schemas import oauth as schemas
from services.auth.store import oauth_clients as rows
from services.auth.store import oauth_grants as grants
from services.auth.store.oauth_clients import Client, Registration
from shared.database import Connection
from shared.errors import Conflict, InvalidData, NotFound, Unavailable, VersionMismatch
from shared.http import Answer, Call, created, listed, no_content, operation

TAG = "OAuth applications"
APPLICATION = "Application"


@operation(
    summary="Register an application",
    description="It gets scopes that the caller has, but none that make credentials. The secret is shown once."
    " This takes a session.",
    permission="manage:api",
    body=schemas.WRITE_CLIENT,
    answers={201: schemas.CLIENT_WITH_SECRET},
    invalid=INVALID,
    tag=TAG,
    idempotent=False,
)
async def register_client(call: Call) -> Answer:
    wanted = Registration(call.body["name"], call.body["redirect_uris"], call.body["scopes"])

    async def effect(tx: Connection) -> Answer:
        confidential, now = call.body["confidential"], call.context.clock()
        await hold_caller(tx, call.principal, call.org_id)
        made = await commands.register_client(tx, call.principal, wanted, confidential=confidential, now=now)
        return await _with_secret(tx, made)

    return await call.write(effect)


@operation(
    summary="Applications of the organisation, by id",
    permission="manage:api",
    query=shared_schemas.PAGE_QUERY,
    answers={200: schemas.CLIENT},
    invalid=INVALID,
    tag=TAG,
    many=True,
)
async def list_clients(call: Call) -> Answer:
    async with call.read() as tx:
        found = await queries.list_clients(tx, call.page)
    return listed(call, found.json, total=found.total, next_cursor=found.next_cursor)


@operation(
    summary="One application",
    permission="manage:api",
    answers={200: schemas.CLIENT},
    refuses=(NotFound,),
    invalid=INVALID,
    resource=APPLICATION,
    tag=TAG,
)
async def show_client(call: Call) -> Answer:
    async with call.read() as tx:
        return shown(await _document(tx, call.path["id"]))


@operation(
    summary="Change an application",
    description="Fewer scopes hold from its next tokens on: those it has last a quarter of an hour at most."
    " Another name or address, or more scopes, takes a session.",
    permission="manage:api",
    body=schemas.CHANGE_CLIENT,
    answers={200: schemas.CLIENT},
    refuses=(NotFound, VersionMismatch),
    invalid=INVALID,
    resource=APPLICATION,
    tag=TAG,
)
async def change_client(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        client = await _locked(call, tx, NotFound(APPLICATION))
        body = call.body
        await commands.change_client(
            tx,
            call.principal,
            client,
            Registration(
                body.get("name", client.name),
                body.get("redirect_uris", client.redirect_uris),
                body.get("scopes", client.scopes),
            ),
        )
        return shown(await _document(tx, client.id))

    return await call.write(effect)


@operation(
    summary="Give an application a new secret",
    description="The old one proves nothing from now on; the application's own tokens speak for who rotated it."
    " This takes a session.",
    permission="manage:api",
    answers={201: schemas.CLIENT_WITH_SECRET},
    refuses=(InvalidData, Conflict),
    invalid=INVALID,
    tag=TAG,
    idempotent=False,
)
async def rotate_client_secret(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        client = await _locked(call, tx, InvalidData(INVALID, fields={"id": "No such application."}))
        return await _with_secret(tx, Registered(client.id, await commands.rotate_secret(tx, call.principal, client)))

    return await call.write(effect)


@operation(
    summary="Remove an application: everything that it was given ends",
    permission="manage:api",
    answers={204: None},
    refuses=(NotFound, VersionMismatch, Unavailable),
    invalid=INVALID,
    resource=APPLICATION,
    tag=TAG,
)
async def remove_client(call: Call) -> Answer:
    async def effect(tx: Connection, ending: Ending) -> Answer:
        client = await _locked(call, tx, NotFound(APPLICATION))
        await commands.remove_client(tx, client, call.context.clock(), ending)
        return no_content()

    return await write_and_tell(call, effect)


@operation(
    summary="What I allowed which application",
    permission="manage:token",
    query=shared_schemas.PAGE_QUERY,
    answers={200: schemas.GRANT},
    tag=TAG,
    tenant=False,
    many=True,
)
async def list_grants(call: Call) -> Answer:
    call.org_id = call.principal.org_id
    async with call.read() as tx:
        found = await queries.list_grants(tx, call.principal.user_id, call.page)
    return listed(call, found.json, total=found.total, next_cursor=found.next_cursor)


@operation(
    summary="Allow an application nothing any more: its tokens end",
    permission="manage:token",
    answers={204: None},
    refuses=(NotFound, Unavailable),
    resource="Grant",
    tag=TAG,
    tenant=False,
)
async def remove_grant(call: Call) -> Answer:
    call.org_id = call.principal.org_id

    async def effect(tx: Connection, ending: Ending) -> Answer:
        grant = await grants.lock_grant(tx, call.path["id"])
        if grant is None or grant.user_id != call.principal.user_id:
            raise NotFound("Grant")
        await end_grant(tx, grant, call.context.clock(), ending)
        return no_content()

    return await write_and_tell(call, effect)


async def _locked(call: Call, tx: Connection, unknown: InvalidData | NotFound) -> Client:
    await hold_caller(tx, call.principal, call.org_id)
    client = await rows.lock_client(tx, call.path["id"])
    if client is None:
        raise unknown
    call.check_version(client.version)
    return client


async def _document(tx: Connection, application: int) -> Document:
    document = await queries.client(tx, application)
    if document is None:
        raise NotFound(APPLICATION)
    return document


async def _with_secret(tx: Connection, made: Registered) -> Answer:
    document = await _document(tx, made.id)
    told: dict[str, Any] = orjson.loads(document.json.bytes)
    if made.secret is not None:
        told["client_secret"] = made.secret
    return created(told, version=document.version)
