"""PA-2, PC-5: what ends an API key: a deletion, a sign-out, its maker, its organisation."""

from __future__ import annotations

import asyncio
from typing import Any

import jwt
import pytest

from shared.contracts.auth import SessionRevoked
from tests.component.auth.api_keys import KEYS, NOT_FOUND, UNAUTHORIZED, make, rotate, works
from tests.component.auth.world import PASSWORD, World
from tests.support.waiting import eventually


async def test_pa2_a_deleted_key_is_refused_at_once(world: World) -> None:
    made, other = (await make(world)).data, (await make(world)).data
    assert (await world.delete("abe", f"{KEYS}/{made['id']}")).status == 204
    assert not await works(world, made["key"])
    assert await works(world, other["key"])
    assert [one["id"] for one in (await world.get("ada", KEYS)).data] == [other["id"]]
    [told] = await world.told(SessionRevoked, client_id=f"key:{made['id']}")
    assert (told["org_id"], told["effective_at"]) == (world.acme, None)
    assert (await world.delete("abe", f"{KEYS}/{made['id']}")).code == NOT_FOUND


async def test_pa2_an_end_that_nobody_confirms_is_503_and_holds(world: World) -> None:
    made = (await make(world)).data
    await world.owner.execute(
        "CREATE FUNCTION unconfirmed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
        "CREATE TRIGGER unconfirmed BEFORE UPDATE OF sent_at ON outbox FOR EACH ROW EXECUTE FUNCTION unconfirmed()"
    )
    reply = await world.delete("ada", f"{KEYS}/{made['id']}")
    assert (reply.code, reply.headers["Retry-After"]) == ((503, "unavailable"), "1")
    assert "other services do not know yet" in reply.error["message"]
    assert not await works(world, made["key"])
    assert (await world.get("ada", KEYS)).data == []
    await world.owner.execute("DROP TRIGGER unconfirmed ON outbox")

    async def is_told() -> bool:
        return bool(await world.owner.fetchval("SELECT bool_and(sent_at IS NOT NULL) FROM outbox"))

    await eventually(is_told)


async def test_pa2_deleting_ends_what_is_in_its_grace_too(world: World) -> None:
    made = (await make(world)).data
    fresh = (await rotate(world, made["id"], grace_seconds=86_400)).data["key"]
    await world.delete("ada", f"{KEYS}/{made['id']}")
    assert not await works(world, made["key"])
    assert not await works(world, fresh)


async def _leave(world: World) -> None:
    assert (await world.delete("abe", f"/users/{world.id_of('ada')}")).status == 200


async def _step_down(world: World) -> None:
    assert (await world.put("abe", f"/users/{world.id_of('ada')}", {"role_id": 4})).status == 200


async def _rise(world: World) -> None:
    assert (await world.put("root", f"/users/{world.id_of('ada')}", {"role_id": 1})).status == 200


@pytest.mark.parametrize("cause", [_leave, _step_down, _rise])
async def test_pc5_a_key_ends_when_its_maker_leaves_or_changes_role(world: World, cause: Any) -> None:
    made = (await make(world, "ada")).data
    replaced = (await make(world, "ada")).data
    await rotate(world, replaced["id"], "ada", grace_seconds=10)
    others = (await make(world, "abe")).data
    await cause(world)
    assert not await works(world, made["key"])
    assert not await works(world, replaced["key"])
    assert await works(world, others["key"])
    assert [one["id"] for one in (await world.get("abe", KEYS)).data] == [others["id"]]
    [told] = await world.told(SessionRevoked, client_id=f"key:{made['id']}")
    assert told["org_id"] == world.acme


async def test_pc5_a_key_outlives_its_makers_password(world: World) -> None:
    key = (await make(world)).data["key"]
    await world.put("ada", "/users/me/password", {"current": PASSWORD, "new": "rather another walrus"})
    assert (await world.get("ada", "/users")).code == UNAUTHORIZED
    assert await works(world, key)


async def test_pc5_a_suspended_organisation_ends_its_keys(world: World) -> None:
    key = (await make(world)).data["key"]
    await world.ask("root", "PATCH", f"/organisations/{world.acme}", {"status": "SUSPENDED"})
    assert not await works(world, key)
    await world.ask("root", "PATCH", f"/organisations/{world.acme}", {"status": "ACTIVE"})
    assert await works(world, key)


async def test_pa2_signing_out_ends_the_key_and_removes_it(world: World) -> None:
    made = (await make(world)).data
    fresh = (await rotate(world, made["id"], grace_seconds=3600)).data["key"]
    assert (await world.post(made["key"], "/logout")).status == 200
    assert not await works(world, made["key"]), "at once, whatever grace was given"
    jti = jwt.decode(made["key"], options={"verify_signature": False})["jti"]
    told = await world.told(SessionRevoked, jti=jti)
    assert [one["effective_at"] is None for one in told] == [False, True]
    assert told[0]["version"] < told[1]["version"], "in whatever order they arrive, the end at once stands"
    kept = "SELECT extract(epoch FROM effective_at)::bigint FROM revocations WHERE credential = $1"
    assert await world.owner.fetchval(kept, f"jti:{jti}") == 0
    assert await works(world, fresh)
    assert (await world.post(fresh, "/logout")).status == 200
    assert not await works(world, fresh)
    assert (await world.get("ada", KEYS)).data == []


@pytest.mark.parametrize("way", ["made", "rotated"])
async def test_pc1_no_key_is_issued_while_its_maker_leaves(world: World, way: str) -> None:
    for _ in range(4):
        ada, ids = world.tokens["ada"], [(await make(world, "abe")).data["id"] for _ in range(6)]
        births = [make(world, ada) if way == "made" else rotate(world, key_id, ada) for key_id in ids]
        *keys, leaving = await asyncio.gather(*births, world.delete("abe", f"/users/{world.id_of('ada')}"))
        assert leaving.status == 200
        assert {one.status for one in keys} <= {201, 401}
        for one in keys:
            if one.status == 201:
                assert not await works(world, one.data["key"])
        assert {one["user_id"] for one in (await world.get("abe", KEYS)).data} <= {world.id_of("abe")}
        await world.post("abe", f"/users/{world.id_of('ada')}/restore")
        world.tokens["ada"] = (await world.sign_in("ada")).data["token"]
