"""Routes that show what the HTTP layer does, with the outbox as the only state."""

from __future__ import annotations

import asyncio

import marshmallow as ma

from shared.database import Connection
from shared.errors import Unprocessable
from shared.http import (
    Answer,
    Call,
    PageQuery,
    Route,
    created,
    encode_cursor,
    fields,
    listed,
    no_content,
    ok,
    operation,
)
from shared.identity import PUBLIC


class ThingSchema(ma.Schema):
    text = fields.Text(1, 10, required=True)
    parent_id = fields.Id(allow_none=True)
    flag = fields.Truth()


class ThingsQuery(PageQuery):
    ids = fields.IdList()
    fail = fields.Choice(["crash", "slow", "forever"])


THING = ThingSchema()
THINGS = ThingsQuery()


@operation(summary="Make", permission="create:core_value", body=THING, answers={201: THING}, refuses=[Unprocessable])
async def make_thing(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        made = await tx.fetchval(
            "INSERT INTO outbox (type, subject, data) VALUES ('Toy.v1', 'toy', jsonb_build_object('text', $1::text))"
            " RETURNING id",
            call.body["text"],
        )
        if call.body["text"] == "refused":
            raise Unprocessable
        if call.body["text"] == "slow":
            await asyncio.sleep(0.4)
        if call.body["text"] == "stuck":
            await asyncio.sleep(1.8)
        return created({"id": made, "text": call.body["text"]})

    return await call.write(effect)


@operation(summary="List", permission="view:core_value", query=THINGS, answers={200: THING}, many=True)
async def list_things(call: Call) -> Answer:
    if call.query.get("fail") == "crash":
        raise RuntimeError("a secret cause")
    if call.query.get("fail") == "slow":
        await asyncio.sleep(0.5)
    if call.query.get("fail") == "forever":
        await asyncio.sleep(60)
    async with call.read() as tx:
        rows = await tx.fetch(
            "SELECT id, data ->> 'text' AS text, org_id, request_id FROM outbox"
            " WHERE org_id = tenant() AND data ? 'text' ORDER BY id"
        )
    return listed(call, [dict(row) for row in rows], total=len(rows), next_cursor=encode_cursor(1, 2))


@operation(summary="Show", permission="view:core_value", answers={200: THING})
async def show_thing(call: Call) -> Answer:
    return ok({"id": call.path["id"]}, version=3)


@operation(summary="Change", permission="update:core_value", body=THING, answers={200: THING})
async def change_thing(call: Call) -> Answer:
    call.check_version(3)
    return ok({"id": call.path["id"], **call.body}, version=4)


@operation(summary="Delete", permission="delete:core_value", answers={204: None})
async def delete_thing(call: Call) -> Answer:
    call.check_version(3)
    return no_content()


@operation(summary="Public", permission=PUBLIC, body=THING, answers={200: THING})
async def greet(call: Call) -> Answer:
    return ok({"word": call.words["word"], "address": call.address, **call.body})


ROUTES = (
    Route("POST", "/things", make_thing),
    Route("GET", "/things", list_things),
    Route("GET", "/things/{id}", show_thing),
    Route("PUT", "/things/{id}", change_thing),
    Route("DELETE", "/things/{id}", delete_thing),
    Route("POST", "/greetings/{word}", greet),
)
