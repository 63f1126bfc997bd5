"""One's own sign-ins: how each began, when it was last used, and its end."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import jwt

from shared.contracts.credentials import CredentialsUsed, Use
from tests.component.auth.api_keys import make
from tests.component.auth.oauth_world import OAuthWorld
from tests.component.auth.world import PASSWORD, World
from tests.support.oauth import Attempt

MINE = "/users/me/sessions"
GONE = (401, "invalid_token")


async def mine(world: World, who: str) -> list[dict[str, Any]]:
    return list((await world.get(who, MINE)).data)


async def signed_in_again(world: World) -> tuple[str, dict[str, Any]]:
    token = str((await world.sign_in("emil")).data["token"])
    return token, next(one for one in await mine(world, token) if one["current"])


async def test_each_sign_in_is_listed_as_it_began(world: World) -> None:
    oauth = OAuthWorld(world)
    key = (await make(world)).data["key"]
    body = {"userName": world.email_of("emil"), "password": PASSWORD}
    by_key = (await world.ask(None, "POST", "/authentication/login", body, X_Api_Key=key)).body["token"]
    token, _ = await signed_in_again(world)
    await oauth.code(Attempt(await oauth.register()))
    listed = await mine(world, token)
    assert [one["began"] for one in listed] == ["google", "api_key", "password", "browser"]
    assert [one["current"] for one in listed] == [False, False, True, False]
    assert set(listed[0]) == {"id", "began", "created_at", "expires_at", "last_used_at", "current"}
    assert listed[2]["expires_at"] - listed[2]["created_at"] == 900
    assert (await world.get(by_key, "/whoami")).status == 200
    assert [one["began"] for one in await mine(world, "mona")] == ["google"]


async def test_ending_one_ends_exactly_that_one(world: World) -> None:
    token, ended = await signed_in_again(world)
    assert (await world.delete("mona", f"{MINE}/{ended['id']}")).status == 404
    assert (await world.delete("emil", f"{MINE}/{ended['id']}")).status == 204
    assert (await world.get(token, "/users/me")).code == GONE
    assert [one["current"] for one in await mine(world, "emil")] == [True]
    assert (await world.delete("emil", f"{MINE}/{ended['id']}")).status == 404


async def test_the_sign_in_of_a_browser_ends_too(world: World) -> None:
    oauth, browser = OAuthWorld(world), OAuthWorld(world).browser()
    attempt = Attempt(await oauth.register())
    await oauth.code(attempt, browser=browser)
    [begun] = [one for one in await mine(world, "emil") if one["began"] == "browser"]
    assert "username" not in (await browser.get(attempt.path)).fields
    assert (await world.delete("emil", f"{MINE}/{begun['id']}")).status == 204
    attempt = Attempt(attempt.application)
    assert "username" in (await browser.get(attempt.path)).fields


async def test_what_has_ended_is_listed_no_more(world: World) -> None:
    key = (await make(world)).data
    body = {"userName": world.email_of("emil"), "password": PASSWORD}
    assert (await world.ask(None, "POST", "/authentication/login", body, X_Api_Key=key["key"])).status == 200
    token, _ = await signed_in_again(world)
    assert len(await mine(world, "emil")) == 3
    assert (await world.delete("ada", f"/api-keys/{key['id']}")).status == 204
    assert (await world.post(token, "/logout")).status == 200
    assert [one["began"] for one in await mine(world, "emil")] == ["google"]
    await signed_in_again(world)
    world.clock.ahead = timedelta(minutes=16)
    assert [one["began"] for one in await mine(world, "emil")] == ["google"]
    world.clock.ahead = timedelta(0)
    assert (await world.put("root", f"/users/{world.id_of('emil')}", {"role_id": 4})).status == 200
    token, current = await signed_in_again(world)
    assert await mine(world, token) == [current]


async def test_its_last_use_is_kept_to_a_minute(world: World) -> None:
    token, current = await signed_in_again(world)
    name, at = f"session:{jwt.decode(token, options={'verify_signature': False})['jti']}", int(time.time()) + 100
    for moment in (at, at + 30, at - 30, at + 60):
        use = Use(client_id=name, user_id=world.id_of("emil"), at=moment)
        await world.hears(CredentialsUsed(publisher="quota", uses=(use,)), world.acme)
    [kept] = [one for one in await mine(world, "emil") if one["id"] == current["id"]]
    assert kept["last_used_at"] == at + 60
