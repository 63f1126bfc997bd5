"""The database's clock steps back between a spend and the end of the right to spend."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from services.auth.commands.endings import Ending
from services.auth.commands.people import delete_person
from services.auth.store.organisations import lock_organisation
from services.auth.store.people import find_person
from shared.database import Connection
from shared.identity import Principal
from tests.simulation.asks import Ask, Hi5, Recognise, Written
from tests.simulation.checks import check_rest, check_step
from tests.simulation.mutations import MUTATIONS
from tests.simulation.preparing import build_simulation
from tests.simulation.running import ground
from tests.simulation.world import Violation, World
from tests.support.databases import Databases

NOON = datetime(2031, 6, 15, 12, tzinfo=UTC)
STEP = timedelta(minutes=20)
SETTINGS = {
    "name": "World", "contact_email": "", "hi5_limit": 5, "hi5_quota_renewal_frequency": "MONTHLY", "timezone": "UTC",
    "recognition_hi5_cost": 0,
}  # fmt: skip
WHO_LEFT_MAY_SPEND = next(one for one in MUTATIONS if one.name == "who left may spend")


@pytest.fixture
async def world(databases: Databases) -> AsyncIterator[World]:
    scratch = await databases.make(build_simulation)
    async with ground(scratch) as on:
        made = await World.begin(0, on, NOON, SETTINGS, 4)
        await made.drain()
        yield made
    await databases.drop(scratch)


async def done(world: World, ask: Ask) -> int:
    world.asks.append(ask)
    while not ask.answered:
        await world.attempt(ask)
    assert ask.made is not None, ask
    return ask.made


async def recognition(world: World) -> int:
    giver, receiver = world.people[:2]
    return await done(world, Recognise(giver, len(world.asks), receiver.user_id, world.core_value_id))


async def leaves(world: World, person: Principal) -> None:
    admin, clock = world.admin, world.nodes["auth"].clock
    assert admin is not None

    async def effect(tx: Connection) -> int:
        await lock_organisation(tx, world.org_id)
        known = await find_person(tx, person.user_id, locked=True)
        assert known is not None
        await delete_person(tx, admin, known, clock(), Ending())
        return known.version

    await done(world, Written(admin, len(world.asks), "auth", f"/users/{person.user_id}", effect))
    await world.drain()


async def test_a_spend_before_the_closing_was_none_after_it(world: World) -> None:
    await done(world, Hi5(world.people[2], len(world.asks), await recognition(world)))
    world.time.move(-STEP)
    await leaves(world, world.people[2])
    await check_step(world, "recognition")
    await world.come_to_rest()
    await check_rest(world)


async def test_a_spend_after_the_closing_is_found_though_the_clock_says_it_was_before(world: World) -> None:
    """By whoever left, since the guard against it is taken away."""
    await WHO_LEFT_MAY_SPEND.apply(world.ground.admin)
    first, second = await recognition(world), await recognition(world)
    await done(world, Hi5(world.people[2], len(world.asks), first))
    await leaves(world, world.people[2])
    world.time.move(-STEP)
    await done(world, Hi5(world.people[2], len(world.asks), second))
    with pytest.raises(Violation, match=r"^I10 spent_when_closed 1$"):
        await check_step(world, "recognition")
