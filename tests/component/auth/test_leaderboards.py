"""P2-2: people say whether leaderboards may list them; recognition hears of it."""

from __future__ import annotations

import pytest

from shared.contracts.auth import UserChanged
from shared.contracts.event import decode
from tests.component.auth.world import World

NAMES = {"first_name": "Emilia", "last_name": "Galotti", "display_name": "Em"}
NOT_ME = NAMES | {"listed_in_leaderboards": False}


async def listed(world: World, who: str = "emil") -> bool:
    return bool((await world.get(who, "/users/me")).data["listed_in_leaderboards"])


async def test_p2_2_people_are_listed_until_they_say_otherwise(world: World) -> None:
    assert await listed(world)
    assert (await world.put("emil", "/users/me", NOT_ME)).data["listed_in_leaderboards"] is False
    assert not await listed(world)
    assert (await world.put("emil", "/users/me", NAMES)).data["listed_in_leaderboards"] is False, (
        "what is not named stays"
    )
    assert (await world.put("emil", "/users/me", NAMES | {"listed_in_leaderboards": True})).status == 200
    assert await listed(world)
    told = [one["listed_in_leaderboards"] for one in await world.told(UserChanged, user_id=world.id_of("emil"))]
    assert told == [False, True]


async def test_p2_2_everything_else_that_is_told_of_them_says_it_too(world: World) -> None:
    await world.put("emil", "/users/me", NOT_ME)
    await world.put("ada", f"/users/{world.id_of('emil')}", {"role_id": 4})
    told = await world.told(UserChanged, user_id=world.id_of("emil"))
    assert [one["listed_in_leaderboards"] for one in told] == [False] * len(told)


@pytest.mark.parametrize("wrong", [None, "false", 0, 1, []])
async def test_p2_2_it_is_yes_or_no(world: World, wrong: object) -> None:
    reply = await world.put("emil", "/users/me", NAMES | {"listed_in_leaderboards": wrong})
    assert (reply.status, set(reply.error["fields"])) == (400, {"listed_in_leaderboards"})


async def test_p2_2_events_from_before_say_nothing_and_mean_yes(world: World) -> None:
    await world.put("emil", "/users/me", NOT_ME)
    [told] = await world.told(UserChanged, user_id=world.id_of("emil"))
    before = {name: value for name, value in told.items() if name != "listed_in_leaderboards"}
    read = decode(UserChanged.TYPE, before)
    assert isinstance(read, UserChanged)
    assert read.listed_in_leaderboards is True
