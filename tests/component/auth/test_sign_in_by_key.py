"""PA-4: POST /authentication/login with an API key, a user name and a password."""

from __future__ import annotations

import itertools
import logging
import time
from datetime import timedelta
from typing import Any

import jwt
import pytest

from shared.identity.claims import TYPES
from shared.identity.roles import PERMISSIONS, Role
from tests.component.auth.test_sign_in import UNAUTHORIZED
from tests.component.auth.world import PASSWORD, World
from tests.support.api import Reply

LOGIN = "/authentication/login"
WRONG = "a wrong password, long enough"
HOUR = 3600
_addresses = itertools.count(1)


async def make_key(world: World, who: str = "ada", **body: Any) -> Any:
    return (await world.post(who, "/api-keys", {"name": "Portal", "scopes": ["view:user", "manage:user"], **body})).data


async def sign_in(world: World, key: str | None, who: str, password: str = PASSWORD, address: str = "") -> Reply:
    """From an address of its own unless one is given."""
    headers = {"X_Forwarded_For": address or f"10.9.{next(_addresses)}.1"}
    if key is not None:
        headers["X_Api_Key"] = key
    username = world.email_of(who) if who in world.people else who
    return await world.post(None, LOGIN, {"userName": username, "password": password}, **headers)


async def test_pa4_key_name_and_password_get_a_token_of_an_hour(world: World) -> None:
    reply = await sign_in(world, (await make_key(world))["key"], "emil")
    token = reply.body["token"]
    assert (reply.status, reply.body) == (200, {"token": token, "tokenType": "Bearer", "expiresIn": 60})
    claims = jwt.decode(token, options={"verify_signature": False})
    assert 0 <= HOUR - (claims["exp"] - claims["iat"]) <= 1
    assert abs(claims["iat"] - time.time()) < 5


async def test_pa4_the_token_is_an_access_token_of_the_person_in_the_keys_name(world: World) -> None:
    key = await make_key(world)
    token = (await sign_in(world, key["key"], "emil")).body["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert (claims["client_id"], claims["scope"]) == (f"key:{key['id']}", "manage:user view:user")
    assert claims["sub"] == str(world.id_of("emil"))
    assert claims["iss"] == "https://peerly.test"
    assert claims["https://peerly.com"] == {"roleId": 3, "orgId": world.acme, "orgName": "Acme"}


async def test_pa4_its_rights_are_those_of_the_user_and_the_key(world: World) -> None:
    key = (await make_key(world))["key"]
    emils, abes = [(await sign_in(world, key, who)).body["token"] for who in ("emil", "abe")]
    narrow = (await make_key(world, scopes=["view:profile"]))["key"]
    little = (await sign_in(world, narrow, "abe")).body["token"]
    one = f"/users/{world.id_of('mona')}"
    assert [(await world.get(token, "/users")).status for token in (emils, abes, little)] == [200, 200, 403]
    assert [(await world.get(token, one)).status for token in (emils, abes, little)] == [403, 200, 403]
    assert [(await world.get(token, "/organisations/me")).status for token in (emils, abes, little)] == [403] * 3
    assert (await world.get(little, "/users/me")).data["id"] == world.id_of("abe")


async def test_pa4_everything_wrong_gets_the_same_answer(world: World) -> None:
    key = await make_key(world)
    other = await make_key(world)
    await world.delete("ada", f"/api-keys/{other['id']}")
    body = {"name": "x", "expires_at": int(time.time()) + HOUR}
    personal = (await world.post("ada", "/users/me/tokens", body)).data["token"]
    access = (await sign_in(world, key["key"], "ada")).body["token"]
    replies = [
        await sign_in(world, key["key"], "emil", WRONG),
        await sign_in(world, key["key"], "nobody@acme.test"),
        await sign_in(world, key["key"], "gina"),
        await sign_in(world, key["key"], "root"),
        await sign_in(world, (await make_key(world, "gus"))["key"], "emil"),
        await sign_in(world, other["key"], "emil"),
        await sign_in(world, key["key"] + "x", "emil"),
        await sign_in(world, key["prefix"], "emil"),
        await sign_in(world, f"Bearer {key['key']}", "emil"),
        await sign_in(world, "x", "emil"),
        await sign_in(world, "", "emil"),
        await sign_in(world, None, "emil"),
        await sign_in(world, world.tokens["ada"], "emil"),
        await sign_in(world, personal, "emil"),
        await sign_in(world, access, "emil"),
        await sign_in(world, "not a key", "emil", WRONG),
    ]
    assert [(reply.status, reply.error) for reply in replies] == [(401, UNAUTHORIZED)] * len(replies)
    assert {reply.headers["WWW-Authenticate"] for reply in replies} == {"Bearer"}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"userName", "password"}),
        ({"userName": "", "password": "x"}, {"userName"}),
        ({"username": "ada@acme.test", "password": PASSWORD}, {"userName"}),
        ({"userName": "ada@acme.test", "password": None}, {"password"}),
        ({"userName": ["ada"], "password": "x" * 1025}, {"userName", "password"}),
    ],
)
async def test_pa4_what_is_wrong_is_named(world: World, body: Any, fields: set[str]) -> None:
    reply = await world.post(None, LOGIN, body, X_Api_Key=(await make_key(world))["key"])
    assert (reply.code, set(reply.error["fields"])) == ((400, "invalid_data"), fields)


async def test_pa4_guessing_has_the_limits_of_the_other_sign_in(world: World) -> None:
    key = (await make_key(world))["key"]
    failures = [(await sign_in(world, key, "emil", WRONG, "10.0.0.7")).status for _ in range(10)]
    assert failures == [401] * 10
    blocked = await sign_in(world, key, "emil", PASSWORD, "10.0.0.7")
    assert blocked.code == (429, "rate_limited")
    assert int(blocked.headers["Retry-After"]) > 0
    assert (await world.sign_in("emil", PASSWORD, "10.0.0.7")).status == 429, "one account, one count"
    assert (await sign_in(world, key, "emil", PASSWORD, "10.0.0.8")).status == 200
    assert (await sign_in(world, "no key", "mona", WRONG, "10.0.0.9")).status == 401
    assert await world.owner.fetchval("SELECT count(*) FROM sign_in_attempts WHERE address = '10.0.0.9'") == 1


async def test_pa4_the_token_ends_with_the_key(world: World) -> None:
    key = await make_key(world)
    emils, monas = [(await sign_in(world, key["key"], who)).body["token"] for who in ("emil", "mona")]
    assert [(await world.get(token, "/users")).status for token in (emils, monas)] == [200, 200]
    await world.delete("ada", f"/api-keys/{key['id']}")
    assert [(await world.get(token, "/users")).status for token in (emils, monas)] == [401, 401]


async def test_pa4_a_key_that_ends_sooner_gives_no_whole_hour(world: World) -> None:
    until = int(time.time()) + 590
    key = (await make_key(world, expires_at=until))["key"]
    reply = await sign_in(world, key, "emil")
    assert jwt.decode(reply.body["token"], options={"verify_signature": False})["exp"] == until
    assert reply.body["expiresIn"] == 9
    world.clock.ahead += timedelta(seconds=700)
    assert (await sign_in(world, key, "emil")).status == 401
    assert (await world.get(reply.body["token"], "/users")).status == 401


async def test_pa4_the_token_ends_with_its_persons_password_and_not_with_the_keys_makers(world: World) -> None:
    key = (await make_key(world))["key"]
    emils, monas = [(await sign_in(world, key, who)).body["token"] for who in ("emil", "mona")]
    for who in ("emil", "ada"):
        changed = {"current": PASSWORD, "new": "rather another walrus"}
        assert (await world.put(who, "/users/me/password", changed)).status == 200
    assert (await world.get(emils, "/users")).status == 401
    assert (await world.get(monas, "/users")).status == 200


async def test_pa4_a_token_signs_out_alone(world: World) -> None:
    key = (await make_key(world))["key"]
    first, second = [(await sign_in(world, key, "emil")).body["token"] for _ in range(2)]
    assert (await world.post(first, "/logout")).status == 200
    assert [(await world.get(token, "/users")).status for token in (first, second, key)] == [401, 200, 200]


async def test_pa4_the_token_makes_nothing_that_outlives_it(world: World) -> None:
    key = await make_key(world, scopes=["manage:token", "view:user"])
    token = (await sign_in(world, key["key"], "emil")).body["token"]
    now = int(time.time())
    wish = {"name": "x", "expires_at": now + 2 * HOUR}
    assert set((await world.post(token, "/users/me/tokens", wish)).error["fields"]) == {"expires_at"}
    child = (await world.post(token, "/users/me/tokens", wish | {"expires_at": now + 60})).data
    assert child["scopes"] == ["manage:token", "view:user"]
    assert (await world.get(child["token"], "/users")).status == 200
    await world.delete("ada", f"/api-keys/{key['id']}")
    assert (await world.get(child["token"], "/users")).status == 401


async def test_pa4_a_super_admin_signs_in_by_a_key_of_the_installation(world: World) -> None:
    key = (await make_key(world, "root", scopes=["manage:organisation"]))["key"]
    token = (await sign_in(world, key, "root")).body["token"]
    assert len((await world.get(token, "/organisations")).data) == 2
    assert (await sign_in(world, key, "ada")).status == 401


async def test_s21_logs_hold_no_key_and_no_token(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = await make_key(world, scopes=["manage:api", "manage:token", "view:user"])
    session = await sign_in(world, key["key"], "ada")
    body = {"name": "x", "expires_at": int(time.time()) + 60}
    token = (await world.post(session.body["token"], "/users/me/tokens", body)).data["token"]
    rotated = (await world.post(key["key"], f"/api-keys/{key['id']}/rotate", {"grace_seconds": 60})).data["key"]
    answers = [
        await sign_in(world, rotated, "ada", WRONG),
        await sign_in(world, token, "ada"),
        await world.get(rotated, "/users"),
        await world.post(token, "/logout"),
        await world.get(token, "/users"),
        await world.delete("ada", f"/api-keys/{key['id']}"),
        await world.get(key["key"], "/users"),
    ]
    assert [answer.status for answer in answers] == [401, 401, 200, 200, 401, 204, 401]
    written = "\n".join(str(vars(record)) for record in caplog.records)
    assert "/api-keys/{id}/rotate" in written
    for secret in (key["key"], rotated, session.body["token"], token, PASSWORD, WRONG):
        assert secret not in written
        assert secret.rsplit(".", maxsplit=1)[-1] not in written


async def test_s11_each_kind_is_accepted_only_where_it_belongs(world: World) -> None:
    """All four kinds as a bearer; as an API key, one."""
    key = (await make_key(world, scopes=sorted(PERMISSIONS[Role.ORGANISATION_ADMIN])))["key"]
    body = {"name": "x", "expires_at": int(time.time()) + HOUR}
    kinds = {
        "session": world.tokens["ada"],
        "personal_token": (await world.post("ada", "/users/me/tokens", body)).data["token"],
        "api_key": key,
        "access_token": (await sign_in(world, key, "ada")).body["token"],
    }
    assert set(kinds) == set(TYPES)
    assert {kind: (await world.get(token, "/whoami")).data["kind"] for kind, token in kinds.items()} == {
        kind: kind for kind in kinds
    }
    entered = {kind for kind, token in kinds.items() if (await sign_in(world, token, "ada")).status == 200}
    assert entered == {"api_key"}
