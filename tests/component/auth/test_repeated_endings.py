"""The same request again says no more than the first: an end that others cannot know yet is 503 each time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.component.auth.world import World
from tests.support.api import Reply

RECORDED = (503, "unavailable")
AT_ONCE = {"grace_seconds": 0}


async def new_key(world: World) -> Any:
    return (await world.post("ada", "/api-keys", {"name": "Reports", "scopes": ["view:user"]})).data


async def rotated(world: World, key_id: int) -> Reply:
    return await world.post("ada", f"/api-keys/{key_id}/rotate", AT_ONCE, Idempotency_Key="once")


@asynccontextmanager
async def nothing_is_confirmed(world: World) -> AsyncIterator[None]:
    await world.owner.execute(
        "CREATE FUNCTION unconfirmed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER unconfirmed BEFORE UPDATE OF sent_at ON outbox FOR EACH ROW EXECUTE FUNCTION unconfirmed()"
    )
    yield
    await world.owner.execute("DROP TRIGGER unconfirmed ON outbox")


async def test_a_repeated_end_is_told_when_it_is_confirmed(world: World) -> None:
    made = await new_key(world)
    async with nothing_is_confirmed(world):
        assert (await rotated(world, made["id"])).code == RECORDED
        assert (await rotated(world, made["id"])).code == RECORDED
        assert (await world.get(made["key"], "/whoami")).status == 401
    reply = await rotated(world, made["id"])
    assert (reply.status, reply.headers["Idempotency-Replayed"]) == (201, "true")
    assert reply.data["key"] is None


async def test_what_others_end_holds_up_no_repetition_elsewhere(world: World) -> None:
    made = await new_key(world)
    assert (await rotated(world, made["id"])).status == 201
    async with nothing_is_confirmed(world):
        assert (await world.delete("gus", f"/users/{world.id_of('gina')}")).code == RECORDED
        assert (await rotated(world, made["id"])).status == 201
