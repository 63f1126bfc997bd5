"""A one-time link for somebody ends with what its maker could decide about them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.component.auth.test_passwords import NEW, link, token_of, use
from tests.component.auth.world import PASSWORD, World


async def role(world: World, name: str, number: int, by: str = "root") -> None:
    assert (await world.put(by, f"/users/{world.id_of(name)}", {"role_id": number})).status == 200


async def test_an_admins_link_makes_nobody_a_super_admin(world: World) -> None:
    made = token_of(await link(world))
    await role(world, "emil", 1)
    assert await use(world, made) == 400
    for password in (NEW, PASSWORD):
        assert (await world.sign_in("emil", password)).status == 401


async def test_a_password_that_an_admin_knows_is_none_of_a_super_admins(world: World) -> None:
    """The link was used before: whose choice the password is, nobody knows."""
    assert await use(world, token_of(await link(world))) == 200
    await role(world, "emil", 1)
    assert (await world.sign_in("emil", NEW)).status == 401
    assert await use(world, token_of(await link(world, by="root"))) == 200
    session = (await world.sign_in("emil", NEW)).data["token"]
    assert (await world.get(session, "/users/me")).data["role_id"] == 1


@pytest.mark.parametrize(("name", "number"), [("emil", 2), ("emil", 4), ("abe", 3)])
async def test_another_role_voids_the_link_before_it(world: World, name: str, number: int) -> None:
    made = token_of(await link(world, name))
    await role(world, name, number, by="ada")
    assert await use(world, made) == 400
    assert (await world.sign_in(name)).data["token"]
    assert await use(world, token_of(await link(world, name))) == 200


async def test_tm7_history_tells_what_a_role_ended(world: World) -> None:
    await link(world)
    await role(world, "emil", 1)
    emil = world.id_of("emil")
    actions = [
        row["action"]
        for row in await world.owner.fetch(
            "SELECT action FROM history WHERE kind = 'users' AND resource_id = $1 ORDER BY seq", emil
        )
    ]
    assert [one for one in actions if "link" in one or "password" in one] == [
        "link_created",
        "link_voided",
        "password_removed",
    ]


async def test_the_same_role_again_leaves_the_link(world: World) -> None:
    made = token_of(await link(world))
    await role(world, "emil", 3, by="ada")
    world.clock.ahead = timedelta(hours=1)
    assert await use(world, made) == 200
