"""When credentials were last used: told by every service, kept by auth, and no request waits for it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import timedelta

import asyncpg
import pytest

from shared.contracts.credentials import CredentialsUsed, Use
from shared.identity import Principal, Role
from shared.identity.claims import API_KEY
from shared.identity.usage import TOLD_SECONDS, Usage
from tests.component.auth.api_keys import make
from tests.component.auth.oauth_world import OAuthWorld
from tests.component.auth.providing import add
from tests.component.auth.world import World
from tests.support.identity_provider import IdentityProvider


def key_of(org_id: int, client_id: str | None = "key:1") -> Principal:
    return Principal(7, org_id, None, Role.EMPLOYEE, frozenset(), API_KEY, "1.x", 1, 2**40, client_id)


async def test_each_use_is_told_once_a_minute_to_its_organisation(world: World) -> None:
    usage = Usage("quota", world.clock)
    acme = key_of(world.acme)
    for _ in range(50):
        for principal in (
            acme,
            replace(acme, client_id="key:2"),
            key_of(world.globex, "key:3"),
            key_of(world.acme, None),
        ):
            usage.note(principal)
        await usage.flush(world.context.database)
    told = await world.told(CredentialsUsed)
    assert [(one["org_id"], [use["client_id"] for use in one["uses"]]) for one in told] == [
        (world.acme, ["key:1", "key:2"]),
        (world.globex, ["key:3"]),
    ]
    world.clock.ahead += timedelta(seconds=TOLD_SECONDS)
    usage.note(acme)
    await usage.flush(world.context.database)
    assert len(await world.told(CredentialsUsed)) == len(told) + 1


async def test_what_could_not_be_told_is_told_later(world: World) -> None:
    usage = Usage("quota", world.clock)
    usage.note(key_of(world.acme))
    await world.owner.execute("ALTER TABLE outbox RENAME TO away")
    with pytest.raises(asyncpg.UndefinedTableError):
        await usage.flush(world.context.database)
    await world.owner.execute("ALTER TABLE away RENAME TO outbox")
    await usage.flush(world.context.database)
    assert [use["client_id"] for one in await world.told(CredentialsUsed) for use in one["uses"]] == ["key:1"]


async def uses(world: World) -> list[tuple[int, str, int]]:
    rows = await world.owner.fetch(
        "SELECT org_id, client_id, extract(epoch FROM used_at)::bigint AS at FROM credential_uses ORDER BY client_id"
    )
    return [(row["org_id"], row["client_id"], row["at"]) for row in rows]


async def hears_of(world: World, client_id: str, *moments: int) -> None:
    told = tuple(Use(client_id=client_id, user_id=world.id_of("emil"), at=at) for at in moments)
    await world.hears(CredentialsUsed(publisher="auth", uses=told), world.acme)


async def test_the_latest_use_stands_in_whatever_order_they_come(world: World) -> None:
    key = f"key:{(await make(world)).data['id']}"
    for at in (1_000_060, 1_000_000, 1_000_120, 1_000_090):
        await hears_of(world, key, at, at - 5)
    assert await uses(world) == [(world.acme, key, 1_000_120)]


async def test_a_use_is_written_once_a_minute_however_many_processes_tell(world: World) -> None:
    key = f"key:{(await make(world)).data['id']}"
    written = []
    for at in range(1_000_000, 1_000_130, 10):
        await hears_of(world, key, at)
        [(_, _, kept)] = await uses(world)
        written.append(kept - 1_000_000)
    assert written == [0] * 6 + [60] * 6 + [120]


async def test_each_kind_of_client_is_known(world: World, idp: IdentityProvider) -> None:
    token = {"name": "Script", "expires_at": int(time.time()) + 300}
    there = [
        (await OAuthWorld(world).register()).client_id,
        f"key:{(await make(world)).data['id']}",
        f"provider:{(await add(world, idp))['id']}",
        f"token:{(await world.post('emil', '/users/me/tokens', token)).data['id']}",
    ]
    for client_id in [*there, "app-unknown", "key:99", "key:x", "provider:99", "token:99", "token:"]:
        await hears_of(world, client_id, 1_000_000)
    assert await uses(world) == [(world.acme, client_id, 1_000_000) for client_id in there]


async def test_a_use_that_comes_after_the_end_leaves_nothing(world: World) -> None:
    made, application = (await make(world)).data, await OAuthWorld(world).register()
    for client_id, place in {
        f"key:{made['id']}": f"/api-keys/{made['id']}",
        application.client_id: f"/oauth/clients/{application.id}",
    }.items():
        await hears_of(world, client_id, 1_000_000)
        assert len(await uses(world)) == 1
        assert (await world.delete("ada", place)).status == 204
        assert await uses(world) == []
        await hears_of(world, client_id, 2_000_000)
        assert await uses(world) == []


async def test_a_use_that_comes_while_a_credential_ends_waits_for_nothing(world: World) -> None:
    key = (await make(world)).data["id"]
    async with world.owner.transaction():
        await world.owner.execute("DELETE FROM api_keys WHERE id = $1", key)
        async with asyncio.timeout(10):
            await hears_of(world, f"key:{key}", 1_000_000)
    assert await uses(world) == []
