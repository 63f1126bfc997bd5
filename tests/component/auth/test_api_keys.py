"""PA-2, PC-1, PC-5: API keys, made, shown once, listed; S21: what is kept of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from jwt.utils import base64url_decode

from services.auth.commands.api_keys import MOST_KEYS
from shared.contracts.credentials import CredentialsUsed, Use
from shared.identity.roles import PERMISSIONS, SCOPES, Role
from tests.component.auth.api_keys import DAY, DENIED, DISARRANGING, KEYS, NOT_FOUND, SHOWN, make, works
from tests.component.auth.world import World
from tests.support.databases import Databases, build_template
from tests.support.installation import Installation, installation
from tests.support.waiting import eventually


async def test_pa2_keys_are_shown_once(world: World) -> None:
    reply = await make(world, name=" Intranet ", scopes=["view:user", "view:organisation"])
    made = reply.data
    assert (reply.status, set(made)) == (201, SHOWN | {"key"})
    key = made.pop("key")
    assert (made["name"], made["scopes"]) == ("Intranet", ["view:organisation", "view:user"])
    assert made["user_id"] == world.id_of("ada")
    assert abs(made["created_at"] - time.time()) < 5
    assert abs(made["expires_at"] - time.time() - 365 * DAY) < 5, "without a date it lasts a year"
    assert (made["last_used_at"], made["rotated_at"]) == (None, None)
    shown, listed = await world.get("abe", f"{KEYS}/{made['id']}"), await world.get("abe", KEYS)
    assert shown.data == made
    assert listed.data == [made]
    assert key.encode() not in shown.raw + listed.raw


async def test_pa2_a_key_begins_with_its_prefix_and_prefixes_differ(world: World) -> None:
    made = [(await make(world)).data for _ in range(5)]
    assert all(one["key"].startswith(one["prefix"]) for one in made)
    assert len({one["prefix"] for one in made}) == len(made)
    assert all(one["prefix"].count(".") == 1 for one in made), "a prefix ends before the claims do"


async def test_pc1_a_key_is_a_jwt_that_carries_its_scopes(world: World) -> None:
    until = int(time.time()) + 90 * DAY
    made = (await make(world, scopes=["view:user", "view:profile"], expires_at=until)).data
    assert jwt.get_unverified_header(made["key"])["typ"] == "api-key+jwt"
    claims = jwt.decode(made["key"], options={"verify_signature": False})
    assert (claims["scope"], claims["client_id"]) == ("view:profile view:user", f"key:{made['id']}")
    assert (claims["sub"], claims["exp"]) == (str(world.id_of("ada")), until)
    assert len(claims["jti"].split(".", 1)[1]) * 6 >= 128


async def test_pc1_a_key_goes_where_a_token_goes_within_its_scopes(world: World) -> None:
    key = (await make(world, scopes=["view:user"])).data["key"]
    assert {one["org_id"] for one in (await world.get(key, "/users")).data} == {world.acme}
    assert (await world.get(key, "/organisations/me")).code == DENIED
    assert (await world.put(key, f"/users/{world.id_of('emil')}", {"role_id": 4})).code == DENIED


@pytest.mark.parametrize("who", ["emil", "mona"])
async def test_pc5_keys_are_for_who_may_manage_api(world: World, who: str) -> None:
    key_id = (await make(world)).data["id"]
    for method, path in (
        ("POST", KEYS),
        ("GET", KEYS),
        ("GET", f"{KEYS}/{key_id}"),
        ("PATCH", f"{KEYS}/{key_id}"),
        ("DELETE", f"{KEYS}/{key_id}"),
        ("POST", f"{KEYS}/{key_id}/rotate"),
    ):
        assert (await world.ask(who, method, path, {"name": "x", "scopes": ["view:user"]})).code == DENIED


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 101}, "name"),
        *(({"name": f"Pay{sign}roll"}, "name") for sign in DISARRANGING),
        ({"scopes": None}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["view:user", "no:such"]}, "scopes"),
        ({"scopes": ["view:user", "view:user"]}, "scopes"),
        ({"scopes": "view:user"}, "scopes"),
        ({"expires_at": 0}, "expires_at"),
        ({"expires_at": int(time.time())}, "expires_at"),
        ({"expires_at": int(time.time()) + 366 * DAY}, "expires_at"),
        ({"expires_at": 2**53 - 1}, "expires_at"),
        ({"expires_at": True}, "expires_at"),
    ],
)
async def test_pc1_what_is_wrong_is_named(world: World, wrong: dict[str, Any], field: str) -> None:
    reply = await make(world, **wrong)
    assert (reply.code, set(reply.error["fields"])) == ((400, "invalid_data"), {field})
    assert (await world.get("ada", KEYS)).data == []


async def test_pc1_nobody_grants_a_scope_that_they_lack(world: World) -> None:
    for scope in SCOPES:
        reply = await make(world, scopes=[scope])
        assert reply.status == (201 if scope in PERMISSIONS[Role.ORGANISATION_ADMIN] else 403), scope


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_pa2_an_unknown_key_is_not_found(world: World, method: str) -> None:
    reply = await world.ask("ada", method, f"{KEYS}/{2**50}", {"name": "x"})
    assert (reply.code, reply.error["message"]) == (NOT_FOUND, "API key not found")


async def test_pa2_a_key_is_renamed_and_nothing_else(world: World) -> None:
    made = (await make(world)).data
    path = f"{KEYS}/{made['id']}"
    tag = (await world.get("ada", path)).headers["ETag"]
    wish = {"name": "Extranet", "scopes": ["manage:user"], "expires_at": 2**40, "user_id": 1, "prefix": "x"}
    renamed = await world.ask("ada", "PATCH", path, wish, If_Match=tag)
    assert renamed.data == {name: made[name] for name in SHOWN} | {"name": "Extranet"}
    assert (await world.ask("ada", "PATCH", path, {"name": "Late"}, If_Match=tag)).status == 412
    assert (await world.ask("ada", "DELETE", path, None, If_Match=tag)).status == 412
    assert set((await world.ask("ada", "PATCH", path, {})).error["fields"]) == {"name"}
    assert await works(world, made["key"])


async def test_pa2_a_repeated_request_tells_no_secret(world: World) -> None:
    body = {"name": "Once", "scopes": ["view:user"]}
    first = await world.post("ada", KEYS, body, Idempotency_Key="make")
    again = await world.post("ada", KEYS, body, Idempotency_Key="make")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.data == first.data | {"key": None}
    path = f"{KEYS}/{first.data['id']}/rotate"
    turned = await world.post("ada", path, {"grace_seconds": 0}, Idempotency_Key="turn")
    assert (await world.post("ada", path, {"grace_seconds": 0}, Idempotency_Key="turn")).data["key"] is None
    assert await works(world, turned.data["key"]), "the repetition did not rotate again"
    other = await world.post("ada", KEYS, body | {"name": "Other"}, Idempotency_Key="make")
    assert other.code == (422, "idempotency_key_reused")


async def test_s21_nothing_in_the_database_can_be_used_as_a_key(world: World) -> None:
    """Every table, every column, as text and as bytes: nowhere the signature that makes a token of claims."""
    made = (await make(world)).data
    rotated = await world.post("ada", f"{KEYS}/{made['id']}/rotate", {"grace_seconds": 60}, Idempotency_Key="turn")
    until = int(time.time()) + DAY
    token = await world.post("ada", "/users/me/tokens", {"name": "x", "expires_at": until}, Idempotency_Key="one")
    secrets = [made["key"], rotated.data["key"], token.data["token"]]
    signed = [secret.rsplit(".", 1)[1] for secret in secrets]
    tables = await world.owner.fetch(
        "SELECT relname FROM pg_class WHERE relnamespace = 'auth'::regnamespace AND relkind IN ('r', 'p')"
    )
    dump = ""
    for table in tables:
        dump += await world.owner.fetchval(f"SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {table[0]} AS t")
    assert rotated.data["prefix"] in dump, "the scan reads the tables of keys"
    assert b'"key":null'.hex() in dump, "the scan reads bytes"
    for one in signed:
        assert one not in dump
        assert one.encode().hex() not in dump
        assert base64url_decode(one).hex() not in dump


async def test_pa2_the_last_use_by_anybody_is_shown(world: World) -> None:
    made = (await make(world)).data
    client = f"key:{made['id']}"
    uses = tuple(
        Use(client_id=client, user_id=world.id_of(name), at=at)
        for name, at in (("ada", 2_000_000), ("emil", 1_000_000))
    )
    await world.hears(CredentialsUsed(publisher="recognition", uses=uses), world.acme)
    assert (await world.get("ada", f"{KEYS}/{made['id']}")).data["last_used_at"] == 2_000_000
    await world.delete("ada", f"{KEYS}/{made['id']}")
    assert await world.owner.fetchval("SELECT count(*) FROM credential_uses WHERE client_id = $1", client) == 0


async def test_pa2_an_organisation_has_no_endless_number(world: World) -> None:
    made = (await make(world)).data
    await world.owner.execute(
        "INSERT INTO api_keys (org_id, name, scopes, created_at)"
        f" SELECT org_id, name, scopes, created_at FROM api_keys, generate_series(3, {MOST_KEYS})"
    )
    replies = await asyncio.gather(*(make(world, who) for who in ("ada", "abe") * 2))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409]
    await world.delete("ada", f"{KEYS}/{made['id']}")
    assert (await make(world)).status == 201
    assert (await make(world, "gus")).status == 201


async def test_pa6_keys_are_listed_in_pages(world: World) -> None:
    made = [(await make(world, name=f"Key {number}")).data["id"] for number in range(5)]
    first = await world.get("ada", f"{KEYS}?page=1&page_size=2&total=true")
    assert ([one["id"] for one in first.data], first.meta["total"]) == (made[:2], 5)
    rest = await world.get("ada", f"{KEYS}?cursor={first.meta['next_cursor']}")
    assert [one["id"] for one in rest.data] == made[2:]


async def test_pc1_a_super_admins_keys_are_the_installations(world: World) -> None:
    named = {"X_Org_Id": str(world.acme)}
    ours = (await make(world)).data
    body = {"name": "Operations", "scopes": ["manage:organisation", "view:user"]}
    made = (await world.post("root", KEYS, body, **named)).data
    assert [one["id"] for one in (await world.get("root", KEYS)).data] == [made["id"]]
    assert [one["id"] for one in (await world.get("root", KEYS, **named)).data] == [ours["id"]]
    assert len((await world.get(made["key"], "/organisations")).data) == 2
    assert (await world.get(made["key"], "/users", **named)).status == 200
    assert set((await world.post("root", f"{KEYS}/{ours['id']}/rotate", {}, **named)).error["fields"]) == {"id"}
    assert (await world.delete("root", f"{KEYS}/{ours['id']}", **named)).status == 204
    assert not await works(world, ours["key"]), "a super admin ends a leaked key of any organisation"


@pytest.fixture
async def peerly(databases: Databases, tmp_path: Path) -> AsyncIterator[Installation]:
    """All four services, each with its own memory of what is refused."""
    database = await databases.make(build_template)
    async with installation(database, tmp_path) as running:
        yield running
    await databases.drop(database)


async def test_pa2_a_use_of_any_service_is_seen_in_the_list(peerly: Installation) -> None:
    company = await peerly.company()
    body = {"name": "Used", "scopes": ["view:quota"]}
    made = await peerly.expect(201, "POST", KEYS, token=company.admin.token, body=body)
    await peerly.expect(200, "GET", "/quota/me", token=made["key"])

    async def is_seen() -> bool:
        shown = await peerly.expect(200, "GET", f"{KEYS}/{made['id']}", token=company.admin.token)
        return shown["last_used_at"] is not None

    await eventually(is_seen, within=5)
