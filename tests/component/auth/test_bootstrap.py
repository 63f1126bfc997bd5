"""The super admin whom the environment names, or who is made when nobody is named."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from environs import Env, EnvError

from services.auth import bootstrap
from services.auth.app import HANDLERS, SERVICE
from services.auth.hashing import Hasher
from shared.bus import InProcessBus
from shared.consumer import subscribed
from shared.contracts.auth import UserJoined
from shared.service import started
from tests.component.auth.world import PASSWORD, World


async def _start() -> None:
    bus = InProcessBus({"auth": subscribed(HANDLERS)})
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(started(SERVICE, SERVICE.read_settings(Env()), bus, ["serve"]))


async def _make(world: World) -> bootstrap.Admin | None:
    context = world.context
    return await bootstrap.make_admin(context.database, context.get(Hasher), context.clock, bootstrap.DEFAULT_EMAIL)


async def test_the_environments_admin_signs_in(world: World, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PEERLY_ADMIN_EMAIL", "Boss@Example.com")
    environment.setenv("PEERLY_ADMIN_PASSWORD", PASSWORD)
    await asyncio.gather(*(_start() for _ in range(3)))
    token = (await world.sign_in("boss@example.com")).data["token"]
    me = (await world.get(token, "/users/me")).data
    assert (me["role_id"], me["org_id"], me["email"]) == (1, None, "Boss@Example.com")
    [joined] = await world.told(UserJoined, email="Boss@Example.com")
    assert joined["org_id"] == 0


async def test_a_later_start_keeps_a_password_that_was_changed(world: World, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PEERLY_ADMIN_EMAIL", "boss@example.com")
    environment.setenv("PEERLY_ADMIN_PASSWORD", PASSWORD)
    await _start()
    token = (await world.sign_in("boss@example.com")).data["token"]
    changed = await world.put(token, "/users/me/password", {"current": PASSWORD, "new": f"{PASSWORD} again"})
    assert changed.status == 200
    await _start()
    assert (await world.sign_in("boss@example.com")).status == 401
    assert (await world.sign_in("boss@example.com", f"{PASSWORD} again")).status == 200


async def test_an_operator_may_choose_a_weak_password(world: World, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PEERLY_ADMIN_EMAIL", "boss@example.com")
    environment.setenv("PEERLY_ADMIN_PASSWORD", "short")
    await _start()
    assert (await world.sign_in("boss@example.com", "short")).status == 200


async def test_the_admin_is_nobody_of_an_organisation(world: World, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PEERLY_ADMIN_PASSWORD", PASSWORD)
    for wrong in (world.email_of("emil"), "nobody"):
        environment.setenv("PEERLY_ADMIN_EMAIL", wrong)
        with pytest.raises(bootstrap.CannotMakeAdmin):
            await _start()


async def test_without_a_password_no_admin_is_made(world: World, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("PEERLY_ADMIN_EMAIL", "boss@example.com")
    await _start()
    assert not await world.told(UserJoined, email="boss@example.com")


async def test_without_a_secret_the_service_says_what_is_missing(environment: pytest.MonkeyPatch) -> None:
    for secret in ("", "short"):
        environment.setenv("PEERLY_SECRET", secret)
        with pytest.raises(EnvError, match="PEERLY_SECRET"):
            SERVICE.read_settings(Env())


async def test_an_admin_is_made_once_where_there_is_none(world: World) -> None:
    assert await _make(world) is None
    await world.owner.execute("UPDATE users SET soft_delete_at = now() WHERE role_id = 1")
    made = await asyncio.gather(*(_make(world) for _ in range(4)))
    [admin] = [one for one in made if one is not None]
    token = (await world.sign_in(admin.email, admin.password)).data["token"]
    assert (await world.get(token, "/organisations")).status == 200
    assert len(admin.password) >= 20
