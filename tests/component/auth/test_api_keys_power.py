"""S5, S11: what an API key cannot do, and that what it made ends with it."""

from __future__ import annotations

import time

import jwt
import orjson
import pytest
from jwt.utils import base64url_encode

from tests.component.auth.api_keys import DAY, DENIED, KEYS, NOT_FOUND, UNAUTHORIZED, make, rotate, works
from tests.component.auth.world import World


async def test_s5_a_key_makes_no_wider_and_no_longer_key(world: World) -> None:
    until = int(time.time()) + 10 * DAY
    maker = (await make(world, scopes=["manage:api", "view:user"], expires_at=until)).data["key"]
    wider = (await make(world, scopes=["view:user", "manage:user"])).data
    assert (await make(world, maker, scopes=["manage:user"])).code == DENIED
    assert (await make(world, maker, scopes=["view:user", "manage:user"])).code == DENIED
    assert (await world.post(maker, "/users/me/tokens", {"name": "x", "expires_at": until})).code == DENIED
    assert set((await make(world, maker, expires_at=until + 1)).error["fields"]) == {"expires_at"}
    assert (await rotate(world, wider["id"], maker)).code == DENIED
    assert await works(world, wider["key"])
    child = (await make(world, maker)).data
    assert child["expires_at"] == until, "without a date it ends with the key that made it"
    rotated = (await rotate(world, child["id"], maker)).data
    assert rotated["expires_at"] <= until


async def test_s5_a_key_stays_within_its_organisation(world: World) -> None:
    theirs = (await make(world, "gus")).data
    assert (await world.get("ada", f"{KEYS}/{theirs['id']}")).code == NOT_FOUND
    assert (await world.ask("ada", "PATCH", f"{KEYS}/{theirs['id']}", {"name": "x"})).code == NOT_FOUND
    assert (await world.delete("ada", f"{KEYS}/{theirs['id']}")).code == NOT_FOUND
    assert set((await rotate(world, theirs["id"])).error["fields"]) == {"id"}
    assert (await world.get("ada", KEYS)).data == []
    assert await works(world, theirs["key"])
    assert (await world.get(theirs["key"], "/users", X_Org_Id=str(world.acme))).code == DENIED


async def test_s5_what_a_key_made_ends_with_it(world: World) -> None:
    stolen = (await make(world, scopes=["manage:api", "manage:token", "view:user"])).data
    child = (await make(world, stolen["key"], scopes=["view:user"])).data
    until = int(time.time()) + DAY
    token = (await world.post(stolen["key"], "/users/me/tokens", {"name": "x", "expires_at": until})).data["token"]
    hijacked = (await make(world, "abe")).data
    taken = (await rotate(world, hijacked["id"], stolen["key"], grace_seconds=60)).data["key"]
    everything = [stolen["key"], child["key"], token, taken]
    assert [await works(world, one) for one in everything] == [True] * 4
    assert (await world.delete("abe", f"{KEYS}/{stolen['id']}")).status == 204
    assert [await works(world, one) for one in everything] == [False] * 4
    assert (await world.get("ada", KEYS)).data == []


@pytest.mark.parametrize(("grace", "stays"), [(0, False), (60, True)])
async def test_s5_what_a_compromised_key_made_ends_when_it_is_reset(world: World, grace: int, stays: bool) -> None:
    stolen = (await make(world, scopes=["manage:api", "manage:token", "view:user"])).data
    child = (await make(world, stolen["key"], scopes=["manage:api", "view:user"])).data
    grandchild = (await make(world, child["key"])).data
    body = {"name": "x", "expires_at": int(time.time()) + DAY}
    token = (await world.post(stolen["key"], "/users/me/tokens", body)).data["token"]
    fresh = (await rotate(world, stolen["id"], grace_seconds=grace)).data["key"]
    assert await works(world, fresh)
    assert [await works(world, one) for one in (child["key"], grandchild["key"], token)] == [stays] * 3


async def test_s5_a_key_that_its_offspring_rotated_is_reset(world: World) -> None:
    scopes = ["manage:api", "view:user"]
    stolen = (await make(world, scopes=scopes)).data
    child = (await make(world, stolen["key"], scopes=scopes)).data
    taken = (await rotate(world, stolen["id"], child["key"], grace_seconds=60)).data["key"]
    fresh = (await rotate(world, stolen["id"])).data["key"]
    keys = (stolen["key"], child["key"], taken, fresh)
    assert [await works(world, key) for key in keys] == [False, False, False, True], "a thief's grace does not hold"


async def test_s5_a_key_that_rotates_itself_ends_when_it_is_deleted(world: World) -> None:
    made = (await make(world, scopes=["manage:api", "view:user"])).data
    second = (await rotate(world, made["id"], made["key"], grace_seconds=60)).data
    third = (await rotate(world, made["id"], second["key"], grace_seconds=60)).data
    assert second["expires_at"] <= made["expires_at"]
    await world.delete("ada", f"{KEYS}/{made['id']}")
    assert [await works(world, one["key"]) for one in (made, second, third)] == [False] * 3


async def test_s11_a_key_is_no_other_kind_of_credential(world: World) -> None:
    """Its header says what it is; another one breaks the signature."""
    key = (await make(world)).data["key"]
    _, claims, signature = key.split(".")
    for kind in ("JWT", "pat+jwt", "at+jwt", "refresh+jwt"):
        header = base64url_encode(
            orjson.dumps({**jwt.get_unverified_header(key), "typ": kind}),
        ).decode()
        assert (await world.get(f"{header}.{claims}.{signature}", "/users")).code == UNAUTHORIZED
