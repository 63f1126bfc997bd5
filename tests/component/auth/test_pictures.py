"""TM-10: the picture of a profile follows the file that recognition tells of."""

from __future__ import annotations

from itertools import permutations

import pytest

from shared.contracts.auth import UserChanged
from shared.contracts.files import FileAttached, FileRemoved
from tests.component.auth.world import World

URL = "https://peerly.test/filecontent/"


def attached(user_id: int, file_id: int, version: int, kind: str = "users") -> FileAttached:
    return FileAttached(
        file_id=file_id,
        files_id=3,
        kind="users" if kind == "users" else "core_values",
        resource_id=user_id,
        attribute="profile_image_url" if kind == "users" else "thumbnail",
        name="me.jpg",
        media_type="image/jpeg",
        size=10,
        url=f"{URL}{file_id}",
        attached_by=user_id,
        attached_at=1,
        replaced=None,
        version=version,
    )


def removed(user_id: int, file_id: int, version: int) -> FileRemoved:
    return FileRemoved(
        file_id=file_id,
        files_id=3,
        kind="users",
        resource_id=user_id,
        attribute="profile_image_url",
        url=f"{URL}{file_id}",
        removed_by=user_id,
        removed_at=1,
        version=version,
    )


async def picture(world: World) -> str | None:
    shown: str | None = (await world.get("emil", "/users/me")).data["profile_image_url"]
    return shown


async def test_tm10_a_profile_shows_the_file_that_was_uploaded(world: World) -> None:
    emil = world.people["emil"].id
    await world.hears(attached(emil, 7, 1), world.acme)
    assert await picture(world) == f"{URL}7"
    [changed] = await world.told(UserChanged, user_id=emil)
    assert changed["profile_image_url"] == f"{URL}7"
    [entry, *_] = (await world.get("ada", f"/users/{emil}/historylog")).data
    assert entry["actor"] == emil
    await world.hears(removed(emil, 7, 2), world.acme)
    assert await picture(world) is None


@pytest.mark.parametrize("order", list(permutations(range(3))))
async def test_tm10_the_newest_stands_in_whatever_order_they_come(world: World, order: tuple[int, ...]) -> None:
    emil = world.people["emil"].id
    told = [attached(emil, 7, 1), attached(emil, 8, 2), removed(emil, 8, 3)]
    for place in order:
        await world.hears(told[place], world.acme)
    assert await picture(world) is None


async def test_tm10_an_address_that_was_set_by_hand_stays(world: World) -> None:
    emil = world.people["emil"].id
    await world.hears(attached(emil, 7, 1), world.acme)
    mine = {"first_name": "Emil", "last_name": "G", "display_name": "Em", "profile_image_url": "https://a.test/x.png"}
    assert (await world.put("emil", "/users/me", mine)).status == 200
    await world.hears(removed(emil, 7, 2), world.acme)
    assert await picture(world) == "https://a.test/x.png"


async def test_tm10_a_core_values_thumbnail_is_no_persons_picture(world: World) -> None:
    before = await picture(world)
    await world.hears(attached(world.people["emil"].id, 7, 1, "core_values"), world.acme)
    assert await picture(world) == before
