"""The keys that sign: made once, rotated without a refused token, withdrawn when they leaked."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest

from services.auth.bootstrap import ensure_key
from services.auth.commands import keys as commands
from services.auth.keys import CannotOpen, Vault, make_key_pair
from services.auth.tokens import LONGEST_CREDENTIAL
from shared.contracts.auth import SigningKeysChanged
from shared.identity.principal import SYSTEM_ORGANISATION
from shared.identity.records import Records
from tests.component.auth.world import SECRET, World
from tests.support.databases import ScratchDatabase


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def published(world: World) -> list[str]:
    return [key["kid"] for key in (await world.get(None, "/.well-known/jwks.json")).body["keys"]]


async def known_here(world: World) -> None:
    context = world.context
    assert context.external is not None
    await Records(context.database, context.verifier, context.external, context.maintenance).load()


async def test_the_first_start_makes_one_key_and_tells_its_public_half(world: World) -> None:
    [event] = await world.told(SigningKeysChanged)
    assert [key["kid"] for key in event["keys"]] == await published(world)
    assert (event["version"], event["org_id"], event["keys"][0]["not_after"]) == (1, 0, None)


async def test_starts_at_once_make_no_second_key(world: World) -> None:
    vault = Vault(SECRET)
    await asyncio.gather(*(ensure_key(world.context.database, vault, world.clock) for _ in range(8)))
    assert len(await published(world)) == 1


async def test_private_keys_are_nowhere_in_clear(world: World) -> None:
    [row] = await world.owner.fetch("SELECT * FROM key_pairs")
    private = Vault(SECRET).open(row["kid"], row["sealed"]).private_bytes_raw()
    assert private not in row["sealed"]
    with pytest.raises(CannotOpen):
        Vault("another secret of some length").open(row["kid"], row["sealed"])
    with pytest.raises(CannotOpen):
        Vault(SECRET).open("another kid", row["sealed"])
    everything = json.dumps([dict(row) for row in await world.owner.fetch("SELECT * FROM outbox")], default=str)
    assert private.hex() not in everything


async def _rotate(world: World) -> str:
    async with world.context.database.transaction(SYSTEM_ORGANISATION) as tx:
        return (await commands.rotate_keys(tx, Vault(SECRET), world.clock())).kid


async def test_a_new_key_is_known_before_it_signs_and_the_old_one_outlives_its_tokens(world: World) -> None:
    [old] = await published(world)
    new = await _rotate(world)
    await known_here(world)
    assert set(await published(world)) == {old, new}
    before = (await world.sign_in("emil")).data["token"]
    assert kid_of(before) == old
    world.clock.ahead = timedelta(seconds=16)
    after = (await world.sign_in("emil")).data["token"]
    assert kid_of(after) == new
    assert [(await world.get(token, "/users/me")).status for token in (before, after)] == [200, 200]
    world.clock.ahead = LONGEST_CREDENTIAL + timedelta(minutes=2)
    assert await published(world) == [new]


async def test_a_leaked_key_is_refused_and_replaced_at_once(world: World) -> None:
    [leaked] = await published(world)
    async with world.context.database.transaction(SYSTEM_ORGANISATION) as tx:
        await commands.retire_key(tx, Vault(SECRET), leaked, world.clock())
    await known_here(world)
    assert (await world.get("emil", "/users/me")).status == 401
    token = (await world.sign_in("emil")).data["token"]
    assert kid_of(token) != leaked
    assert (await world.get(token, "/users/me")).status == 200
    told = await world.told(SigningKeysChanged)
    assert [event["version"] for event in told] == [1, 2]
    assert leaked not in [key["kid"] for key in told[-1]["keys"]]


async def test_what_a_leaked_key_signed_is_listed_as_what_has_ended(world: World) -> None:
    """Personal tokens no more, API keys with an end that is past: rotated, they are what they were."""
    [leaked], ends = await published(world), int(time.time()) + 3_600
    wanted = {"name": "Program", "scopes": ["view:profile"], "expires_at": ends}
    assert (await world.post("ada", "/users/me/tokens", wanted)).status == 201
    made = (await world.post("ada", "/api-keys", wanted)).data
    async with world.context.database.transaction(SYSTEM_ORGANISATION) as tx:
        await commands.retire_key(tx, Vault(SECRET), leaked, world.clock())
    await known_here(world)
    ada = (await world.sign_in("ada")).data["token"]
    assert (await world.get(ada, "/users/me/tokens")).data == []
    [listed] = (await world.get(ada, "/api-keys")).data
    assert (listed["id"], listed["expires_at"] <= time.time()) == (made["id"], True)
    assert (await world.get(made["key"], "/users/me")).status == 401
    fresh = (await world.post(ada, f"/api-keys/{made['id']}/rotate")).data
    assert abs(fresh["expires_at"] - ends) < 5
    assert (await world.get(fresh["key"], "/users/me")).status == 200
    assert (await world.post(ada, "/users/me/tokens", wanted)).status == 201
    assert len((await world.get(ada, "/users/me/tokens")).data) == 1
    assert await world.owner.fetchval("SELECT count(*) FROM auth.personal_tokens") == 1


async def test_a_new_key_that_leaks_leaves_the_old_one_signing(world: World) -> None:
    [old] = await published(world)
    new = await _rotate(world)
    async with world.context.database.transaction(SYSTEM_ORGANISATION) as tx:
        await commands.retire_key(tx, Vault(SECRET), new, world.clock())
    world.clock.ahead = LONGEST_CREDENTIAL + timedelta(days=1)
    kids = await published(world)
    assert len(kids) == 1
    assert kids != [new]
    assert kid_of((await world.sign_in("emil")).data["token"]) == kids[0]
    assert old


async def test_another_secret_makes_a_new_key_and_old_tokens_go_on(world: World) -> None:
    await ensure_key(world.context.database, Vault("another secret of some length"), world.clock)
    await known_here(world)
    assert len(await published(world)) == 2
    assert (await world.get("emil", "/users/me")).status == 200


async def test_an_unknown_key_cannot_be_retired(world: World) -> None:
    with pytest.raises(commands.UnknownKey):
        async with world.context.database.transaction(SYSTEM_ORGANISATION) as tx:
            await commands.retire_key(tx, Vault(SECRET), make_key_pair().kid, world.clock())


def test_no_key_is_named_like_an_option() -> None:
    assert not [pair.kid for pair in (make_key_pair() for _ in range(300)) if pair.kid.startswith("-")]


async def _command_line(scratch: ScratchDatabase, *arguments: str, word: str = "keys") -> tuple[int, str]:
    environment: dict[str, Any] = {**os.environ, "DATABASE_URL": scratch.url("auth"), "PEERLY_SECRET": SECRET}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.auth", word, *arguments,
        env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_operators_list_rotate_and_retire(world: World, scratch: ScratchDatabase) -> None:
    [old] = await published(world)
    assert await _command_line(scratch, "list") == (0, await _listed(world))
    code, said = await _command_line(scratch, "rotate")
    new = said.split()[0]
    assert (code, set(await published(world))) == (0, {old, new})
    assert (await _command_line(scratch, "retire", old))[0] == 0
    assert old not in await published(world)
    code, said = await _command_line(scratch, "retire", old)
    assert (code, old in said) == (2, True)


async def test_an_operator_makes_the_first_super_admin_once(world: World, scratch: ScratchDatabase) -> None:
    await world.owner.execute("UPDATE users SET soft_delete_at = now(), soft_delete_by = id WHERE role_id = 1")
    code, said = await _command_line(scratch, "--email", "first@example.com", word="admin")
    assert (code, said.split(" / ")[0]) == (0, "Super admin, shown this once: first@example.com")
    assert (await world.sign_in("first@example.com", said.split(" / ")[1].strip())).status == 200
    code, said = await _command_line(scratch, word="admin")
    assert (code, said) == (0, "There is a super admin already; nothing was changed.\n")
    assert (await _command_line(scratch, "--email", "nobody", word="admin"))[0] == 2


async def _listed(world: World) -> str:
    [row] = await world.owner.fetch("SELECT * FROM key_pairs")
    return f"{row['kid']}  from {row['signs_from'].isoformat(timespec='seconds')}\n"
