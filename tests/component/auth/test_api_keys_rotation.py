"""PA-2: a compromised API key is reset, at once or with a grace."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest

from tests.component.auth.api_keys import DAY, SHOWN, make, rotate, works
from tests.component.auth.world import World


async def test_pa2_a_compromised_key_is_reset(world: World) -> None:
    made = (await make(world, expires_at=int(time.time()) + 30 * DAY)).data
    world.clock.ahead += timedelta(days=10)
    rotated = await rotate(world, made["id"], who=(await world.sign_in("ada")).data["token"])
    assert (rotated.status, set(rotated.data)) == (201, SHOWN | {"key"})
    assert not await works(world, made["key"])
    assert await works(world, rotated.data["key"])
    assert (rotated.data["id"], rotated.data["scopes"]) == (made["id"], made["scopes"])
    assert rotated.data["prefix"] != made["prefix"]
    assert abs(rotated.data["expires_at"] - made["expires_at"] - 10 * DAY) < 5, (
        "it lasts as long as the last one was to"
    )
    assert rotated.data["rotated_at"] - rotated.data["created_at"] >= 10 * DAY - 5


async def test_pa2_during_the_grace_both_keys_work(world: World) -> None:
    made = (await make(world)).data
    fresh = (await rotate(world, made["id"], grace_seconds=3600)).data["key"]
    third = (await rotate(world, made["id"], grace_seconds=7200)).data["key"]
    assert [await works(world, key) for key in (made["key"], fresh, third)] == [True, True, True]
    world.clock.ahead += timedelta(seconds=3601)
    assert [await works(world, key) for key in (made["key"], fresh, third)] == [False, True, True]
    world.clock.ahead += timedelta(seconds=3600)
    assert [await works(world, key) for key in (made["key"], fresh, third)] == [False, False, True]
    ada = (await world.sign_in("ada")).data["token"]
    await rotate(world, made["id"], ada, grace_seconds=60)
    assert await world.owner.fetchval("SELECT count(*) FROM api_key_issues") == 2, "what is over is forgotten"


@pytest.mark.parametrize("grace", [-1, 86_401, "soon", 1.5, True])
async def test_pa2_the_grace_is_a_day_at_most(world: World, grace: Any) -> None:
    made = (await make(world)).data
    assert set((await rotate(world, made["id"], grace_seconds=grace)).error["fields"]) == {"grace_seconds"}
    assert await works(world, made["key"])


async def test_pa2_a_rotated_key_acts_for_who_rotated_it(world: World) -> None:
    """Nobody but its holder knows the new key: with it in another's name, one could act as somebody else."""
    made = (await make(world, "ada")).data
    fresh = (await rotate(world, made["id"], "abe", grace_seconds=3600)).data
    assert fresh["user_id"] == world.id_of("abe")
    assert (await world.get(fresh["key"], "/whoami")).data["user"]["id"] == world.id_of("abe")
    assert (await world.get(made["key"], "/whoami")).data["user"]["id"] == world.id_of("ada")
    await world.delete("abe", f"/users/{world.id_of('ada')}")
    assert not await works(world, made["key"]), "who left speaks no more, grace or not"
    assert await works(world, fresh["key"])


async def test_pa2_rotated_at_the_same_time_one_key_holds(world: World) -> None:
    made = (await make(world)).data
    rotated = await asyncio.gather(*(rotate(world, made["id"], who) for who in ("ada", "abe") * 4))
    assert {one.status for one in rotated} == {201}
    assert sum([await works(world, one.data["key"]) for one in rotated]) == 1
    assert not await works(world, made["key"])
