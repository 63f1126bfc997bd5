"""TM-2: personal tokens, which do a part of what their owner may until a date."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import Any

import asyncpg
import jwt
import pytest

from services.auth.commands.personal_tokens import MOST_TOKENS
from shared.contracts.auth import SessionRevoked
from shared.contracts.credentials import CredentialsUsed, Use
from shared.identity.roles import PERMISSIONS, SCOPES, Role
from tests.component.auth.api_keys import DISARRANGING
from tests.component.auth.test_passwords import NEW, link, token_of, use
from tests.component.auth.world import PASSWORD, World
from tests.support.api import Reply

TOKENS = "/users/me/tokens"
DAY = 86_400
DENIED = (403, "access_denied")
UNAUTHORIZED = (401, "invalid_token")


def soon(days: float = 30) -> int:
    return int(time.time() + days * DAY)


UNTIL = soon()
"""One moment for all, so that what a token makes does not end a second later than it."""


async def make(world: World, who: str, **body: Any) -> Reply:
    return await world.post(who, TOKENS, {"name": "A script", "expires_at": UNTIL, **body})


async def listed(world: World, who: str) -> list[str]:
    return [one["name"] for one in (await world.get(who, TOKENS)).data]


async def test_tm2_a_person_makes_a_bearer_token_with_an_expiry_date(world: World) -> None:
    until = soon(90)
    reply = await make(world, "emil", name="  Weekly report ", expires_at=until, scopes=["view:user", "view:profile"])
    made = reply.data
    assert reply.status == 201
    assert set(made) == {"id", "name", "scopes", "expires_at", "created_at", "last_used_at", "token"}
    assert (made["name"], made["scopes"]) == ("Weekly report", ["view:profile", "view:user"])
    assert (made["expires_at"], made["last_used_at"]) == (until, None)
    assert abs(made["created_at"] - time.time()) < 5
    assert (await world.get(made["token"], "/users/me")).data["id"] == world.id_of("emil")
    assert (await world.get(made["token"], "/organisations/me")).code == DENIED


async def test_tm2_its_claims_are_a_sessions_with_scopes_and_a_client(world: World) -> None:
    made = (await make(world, "emil", scopes=["view:user"])).data
    claims = jwt.decode(made["token"], options={"verify_signature": False})
    assert jwt.get_unverified_header(made["token"])["typ"] == "pat+jwt"
    assert (claims["scope"], claims["client_id"]) == ("view:user", f"token:{made['id']}")
    assert claims["exp"] == made["expires_at"]
    assert claims["https://peerly.com"] == {"roleId": 3, "orgId": world.acme, "orgName": "Acme"}
    assert set(claims) == {"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "https://peerly.com", "scope", "client_id"}


@pytest.mark.parametrize("who", ["root", "ada", "emil", "mona"])
async def test_tm2_without_scopes_it_has_all_of_its_owners(world: World, who: str) -> None:
    made = (await make(world, who)).data
    assert set(made["scopes"]) == PERMISSIONS[world.people[who].role]
    me = (await world.get(made["token"], "/whoami")).data
    assert me["user"]["id"] == world.id_of(who)
    assert set(me["scopes"]) == PERMISSIONS[world.people[who].role]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        *(({"name": f"Pay{sign}roll"}, "name") for sign in DISARRANGING),
        ({"name": None}, "name"),
        ({"expires_at": None}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": 1}, "expires_at"),
        ({"expires_at": 2**53 - 1}, "expires_at"),
        ({"expires_at": 2**70}, "expires_at"),
        ({"expires_at": int(time.time()) - 1}, "expires_at"),
        ({"expires_at": int(time.time()) + 366 * DAY}, "expires_at"),
        ({"scopes": []}, "scopes"),
        ({"scopes": "view:user"}, "scopes"),
        ({"scopes": ["view:everything"]}, "scopes"),
        ({"scopes": ["view:user", "view:everything"]}, "scopes"),
        ({"scopes": ["view:user", "view:user"]}, "scopes"),
        ({"scopes": [7]}, "scopes"),
        ({"scopes": None}, "scopes"),
    ],
)
async def test_tm2_what_is_wrong_is_named(world: World, wrong: dict[str, Any], field: str) -> None:
    reply = await make(world, "emil", **wrong)
    assert (reply.code, set(reply.error["fields"])) == ((400, "invalid_data"), {field})
    assert await listed(world, "emil") == []


async def test_tm2_a_year_is_the_longest(world: World) -> None:
    assert (await make(world, "emil", expires_at=soon(365))).status == 201


async def test_tm2_nobody_grants_a_scope_that_they_lack(world: World) -> None:
    for scope in SCOPES:
        reply = await make(world, "emil", scopes=[scope])
        assert reply.status == (201 if scope in PERMISSIONS[Role.EMPLOYEE] else 403), scope


async def test_tm2_a_token_makes_no_wider_and_no_longer_one(world: World) -> None:
    until = soon(2)
    parent = (await make(world, "ada", scopes=["manage:token", "view:user"], expires_at=until)).data["token"]
    assert (await make(world, parent, scopes=["view:user", "manage:user"], expires_at=until)).code == DENIED
    assert set((await make(world, parent, expires_at=until + 1)).error["fields"]) == {"expires_at"}
    child = (await make(world, parent, expires_at=until)).data
    assert child["scopes"] == ["manage:token", "view:user"]
    unable = (await make(world, "ada", scopes=["view:user"])).data["token"]
    for method, path in (("POST", TOKENS), ("GET", TOKENS), ("DELETE", f"{TOKENS}/1")):
        assert (await world.ask(unable, method, path, {"name": "x", "expires_at": until})).code == DENIED


async def test_tm2_the_list_has_ones_own_and_no_secret(world: World) -> None:
    tokens = [(await make(world, "emil", name=f"Script {number}")).data["token"] for number in range(3)]
    await make(world, "mona", name="Mona's")
    first = await world.get("emil", f"{TOKENS}?limit=2&total=true")
    assert [one["name"] for one in first.data] == ["Script 0", "Script 1"]
    assert first.meta["total"] == 3
    assert set(first.data[0]) == {"id", "name", "scopes", "expires_at", "created_at", "last_used_at"}
    rest = await world.get("emil", f"{TOKENS}?cursor={first.meta['next_cursor']}")
    assert [one["name"] for one in rest.data] == ["Script 2"]
    assert not any(token.encode() in first.raw + rest.raw for token in tokens)
    assert await listed(world, "mona") == ["Mona's"]
    assert await listed(world, "ada") == []


async def test_tm2_a_deleted_token_is_refused_at_once(world: World) -> None:
    made, other = (await make(world, "emil")).data, (await make(world, "emil", name="Other")).data
    assert (await world.delete("emil", f"{TOKENS}/{made['id']}")).status == 204
    assert (await world.get(made["token"], "/users/me")).code == UNAUTHORIZED
    assert (await world.get(other["token"], "/users/me")).status == 200
    assert await listed(world, "emil") == ["Other"]
    [told] = await world.told(SessionRevoked, client_id=f"token:{made['id']}")
    assert told["org_id"] == world.acme
    assert told["expires_at"] >= made["expires_at"]
    again = await world.delete("emil", f"{TOKENS}/{made['id']}")
    assert (again.code, again.error["message"]) == ((404, "not_found"), "Personal token not found")


async def test_tm2_anothers_token_is_as_one_that_never_was(world: World) -> None:
    made = (await make(world, "emil")).data
    unknown = await world.delete("mona", f"{TOKENS}/{2**50}")
    for who in ("mona", "ada", "gus", "root"):
        reply = await world.delete(who, f"{TOKENS}/{made['id']}")
        assert (reply.status, reply.raw) == (unknown.status, unknown.raw)
    assert (await world.get(made["token"], "/users/me")).status == 200


async def test_tm2_a_token_that_ended_is_not_listed(world: World) -> None:
    short = (await make(world, "emil", name="Short", expires_at=int(time.time()) + 60)).data["token"]
    await make(world, "emil", name="Long")
    world.clock.ahead += timedelta(seconds=100)
    assert (await world.get(short, "/users/me")).code == UNAUTHORIZED
    assert await listed(world, "emil") == ["Long"]
    await make(world, "emil", name="Longer", expires_at=soon())
    assert await world.owner.fetchval("SELECT count(*) FROM personal_tokens") == 2


async def _new_password(world: World) -> str:
    changed = {"current": PASSWORD, "new": "rather another walrus"}
    return str((await world.put("emil", "/users/me/password", changed)).data["token"])


async def _another_role(world: World) -> str:
    await world.put("ada", f"/users/{world.id_of('emil')}", {"role_id": 4})
    return str((await world.sign_in("emil")).data["token"])


async def _leaving(world: World) -> str:
    await world.delete("ada", f"/users/{world.id_of('emil')}")
    await world.post("ada", f"/users/{world.id_of('emil')}/restore")
    return str((await world.sign_in("emil")).data["token"])


@pytest.mark.parametrize("cause", [_new_password, _another_role, _leaving])
async def test_tm2_tokens_end_with_their_owners_password_role_and_presence(world: World, cause: Any) -> None:
    token = (await make(world, "emil")).data["token"]
    fresh = await cause(world)
    assert (await world.get(token, "/users/me")).code == UNAUTHORIZED
    assert await listed(world, fresh) == []


async def test_tm2_a_suspended_organisation_ends_them_too(world: World) -> None:
    token = (await make(world, "emil")).data["token"]
    await world.ask("root", "PATCH", f"/organisations/{world.acme}", {"status": "SUSPENDED"})
    assert (await world.get(token, "/users/me")).code == UNAUTHORIZED


async def test_tm2_signing_out_ends_exactly_the_token(world: World) -> None:
    made = (await make(world, "emil")).data
    assert (await world.post(made["token"], "/logout")).status == 200
    assert (await world.get(made["token"], "/users/me")).code == UNAUTHORIZED
    assert await listed(world, "emil") == []


async def test_tm2_what_a_token_made_ends_with_it(world: World) -> None:
    """A thief cannot leave a credential behind that outlives the stolen one."""
    parent = (await make(world, "ada", name="Stolen")).data
    child = (await make(world, parent["token"], name="Child")).data
    grandchild = (await make(world, child["token"], name="Grandchild")).data
    key = (await world.post(grandchild["token"], "/api-keys", {"name": "Key", "scopes": ["view:user"]})).data
    own = (await make(world, "ada", name="Own")).data
    family = [parent["token"], child["token"], grandchild["token"], key["key"]]
    assert [(await world.get(token, "/users")).status for token in [*family, own["token"]]] == [200] * 5
    await world.delete("ada", f"{TOKENS}/{parent['id']}")
    assert [(await world.get(token, "/users")).status for token in [*family, own["token"]]] == [401] * 4 + [200]
    assert await listed(world, "ada") == ["Own"]
    assert (await world.get("ada", "/api-keys")).data == []


async def test_tm2_no_child_is_born_while_its_parent_is_deleted(world: World) -> None:
    for _ in range(5):
        parent = (await make(world, "emil")).data
        births = [make(world, parent["token"]) for _ in range(8)]
        *children, death = await asyncio.gather(*births, world.delete("emil", f"{TOKENS}/{parent['id']}"))
        assert death.status == 204
        assert {child.status for child in children} <= {201, 401}
        for child in children:
            if child.status == 201:
                assert (await world.get(child.data["token"], "/users/me")).code == UNAUTHORIZED
    assert await listed(world, "emil") == []


async def test_tm2_no_token_is_made_with_what_has_just_ended(world: World) -> None:
    """Another process of auth may not have heard of it yet: the row decides."""
    parent = (await make(world, "emil")).data
    await world.owner.execute("DELETE FROM personal_tokens WHERE id = $1", parent["id"])
    assert (await make(world, parent["token"])).code == UNAUTHORIZED
    await world.owner.execute("UPDATE users SET generation = generation + 1 WHERE id = $1", world.id_of("emil"))
    assert (await make(world, "emil")).code == UNAUTHORIZED


async def patiently(world: World) -> Reply:
    """Asks again while others hold the person for too long, as a client does on a slow machine."""
    reply = await make(world, "emil")
    while reply.status == 503:
        await asyncio.sleep(float(reply.headers["Retry-After"]))
        reply = await make(world, "emil")
    return reply


async def test_tm2_a_person_has_no_endless_number(world: World) -> None:
    made = (await make(world, "emil")).data
    await world.owner.execute(
        "INSERT INTO personal_tokens (org_id, user_id, generation, name, scopes, created_at, expires_at)"
        " SELECT org_id, user_id, generation, name, scopes, created_at, expires_at FROM personal_tokens,"
        f" generate_series(3, {MOST_TOKENS})"
    )
    replies = await asyncio.gather(*(patiently(world) for _ in range(4)))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409]
    await world.delete("emil", f"{TOKENS}/{made['id']}")
    assert (await make(world, "emil")).status == 201


async def test_tm2_a_repeated_request_makes_one_token_and_tells_it_once(world: World) -> None:
    body = {"name": "Once", "expires_at": soon()}
    first = await world.post("emil", TOKENS, body, Idempotency_Key="one")
    again = await world.post("emil", TOKENS, body, Idempotency_Key="one")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.data == first.data | {"token": None}
    assert await listed(world, "emil") == ["Once"]
    kept: bytes = await world.owner.fetchval("SELECT answer FROM idempotency_keys")
    assert b'"token":null' in kept


async def test_tm2_the_last_use_is_shown(world: World) -> None:
    made = (await make(world, "emil")).data
    used = Use(client_id=f"token:{made['id']}", user_id=world.id_of("emil"), at=1_000_000)
    await world.hears(CredentialsUsed(publisher="recognition", uses=(used,)), world.acme)
    [shown] = (await world.get("emil", TOKENS)).data
    assert shown["last_used_at"] == 1_000_000
    await world.delete("emil", f"{TOKENS}/{made['id']}")
    assert await world.owner.fetchval("SELECT count(*) FROM credential_uses WHERE client_id = $1", used.client_id) == 0


async def test_tm2_a_super_admins_token_names_an_organisation_as_they_do(world: World) -> None:
    token = (await make(world, "root", scopes=["view:user", "manage:token"])).data["token"]
    assert set((await world.get(token, "/users")).error["fields"]) == {"org_id"}
    assert {one["org_id"] for one in (await world.get(token, "/users", X_Org_Id=str(world.globex))).data} == {
        world.globex
    }
    assert len((await world.get(token, TOKENS, X_Org_Id=str(world.globex))).data) == 1
    assert (await world.get(token, "/organisations")).code == DENIED


async def test_tm2_who_becomes_super_admin_leaves_their_tokens_behind(world: World) -> None:
    token = (await make(world, "abe")).data["token"]
    assert (await world.put("root", f"/users/{world.id_of('abe')}", {"role_id": 1})).status == 200
    assert (await world.get(token, "/users/me")).code == UNAUTHORIZED
    assert await use(world, token_of(await link(world, "abe", by="root"))) == 200
    assert await listed(world, (await world.sign_in("abe", NEW)).data["token"]) == []


async def test_tm2_nobody_else_s_row_is_seen_below_the_code(world: World) -> None:
    await make(world, "emil")
    async with world.context.database.transaction(world.globex) as tx:
        assert await tx.fetchval("SELECT count(*) FROM personal_tokens") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tx.execute("UPDATE personal_tokens SET scopes = '{manage:user}'")
