"""What somebody asked for when they had the right, and what comes when they have it no more: it does not happen."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from services.auth.app import SERVICE
from shared.clock import utc_now
from shared.identity import PUBLIC, Role
from tests.component.auth.overtaking import DEMOTE, ORGANISATION, PERSON, overtaken
from tests.component.auth.test_passwords import NEW, link, token_of, use
from tests.component.auth.world import PASSWORD, World
from tests.support.waiting import eventually

GONE = (401, "invalid_token")
APPLICATION = {"name": "Wall", "redirect_uris": ["https://app.example.com/back"], "scopes": ["view:profile"]}
NEXT_DAY = int((utc_now() + timedelta(days=1)).timestamp())
WINDOW = {"starts_at": NEXT_DAY, "ends_at": NEXT_DAY + 60}
OFFICE = {
    "name": "Umbrella",
    "contact_email": "office@example.com",
    "subscription_status": "ACTIVE",
    "subscription_valid_upto": NEXT_DAY,
    "hi5_limit": 1,
    "hi5_quota_renewal_frequency": "WEEKLY",
    "timezone": "UTC",
    "domain_names": ["umbrella.test"],
}
PROFILE = {"first_name": "A", "last_name": "B", "display_name": "C"}
TOKEN = {"name": "T", "expires_at": NEXT_DAY}
WRITES: dict[str, Any] = {
    "POST /oauth/clients": APPLICATION,
    "PATCH /oauth/clients/{id}": {"name": "Payroll"},
    "DELETE /oauth/clients/{id}": None,
    "POST /oauth/clients/{id}/rotate": None,
    "PUT /users/me": PROFILE,
    "PUT /users/me/password": {"current": PASSWORD, "new": NEW},
    "PUT /users/{id}": {"role_id": 2},
    "DELETE /users/{id}": None,
    "POST /users/{id}/restore": None,
    "POST /users/{id}/password-reset": None,
    "PUT /organisations/{id}": OFFICE,
    "PATCH /organisations/{id}": {"domain_names": ["acme.test", "mine.test"]},
    "POST /organisations/{id}/identity-providers": {"issuer": "https://idp.example.com", "audience": "a"},
    "PATCH /organisations/{id}/identity-providers/{provider_id}": {"audience": "b"},
    "DELETE /organisations/{id}/identity-providers/{provider_id}": None,
    "POST /users/me/tokens": TOKEN,
    "POST /api-keys": {"name": "K", "scopes": ["view:user"]},
    "PATCH /api-keys/{id}": {"name": "L"},
    "DELETE /api-keys/{id}": None,
    "POST /api-keys/{id}/rotate": {},
    "POST /teams": {"name": "Team"},
    "PUT /teams/{id}": {"name": "Team"},
    "PATCH /teams/{id}": {"name": "Team"},
    "DELETE /teams/{id}": None,
    "POST /valuelists": {"name": "departments", "values": ["x"]},
    "PUT /valuelists/{name}": {"values": ["x"]},
    "DELETE /valuelists/{name}": None,
}
OF_THE_INSTALLATION: dict[str, Any] = {
    "POST /organisations": OFFICE,
    "POST /maintenance-windows": WINDOW,
    "PUT /maintenance-windows/{id}": WINDOW,
    "DELETE /maintenance-windows/{id}": None,
    "POST /customers": {"name": "C", "contactName": "N", "contactEmail": "n@example.com"},
    "PUT /customers/{id}": {"name": "C", "contactName": "N", "contactEmail": "n@example.com"},
}
ENDS_ONES_OWN = {
    "POST /logout", "DELETE /users/me/grants/{id}", "DELETE /users/me/sessions/{id}", "DELETE /users/me/tokens/{id}",
}  # fmt: skip
"""Whoever is no longer somebody may still end what was theirs."""


def test_each_operation_that_writes_is_tried() -> None:
    writing = {
        f"{route.method} {route.path}"
        for route in SERVICE.routes
        if route.method != "GET" and route.operation.permission != PUBLIC
    }
    assert writing - ENDS_ONES_OWN - {"POST /users/query", "POST /teams/query"} == {*WRITES, *OF_THE_INSTALLATION}


async def _try(world: World, who: str, writes: dict[str, Any], **headers: str) -> None:
    for operation, body in writes.items():
        method, path = operation.split()
        at = world.acme if path.startswith(("/organisations", "/customers")) else world.id_of("emil")
        place = path.format(id=at, provider_id=1, name="departments")
        assert (await world.ask(who, method, place, body, **headers)).code == GONE, operation


async def test_s5_nothing_is_written_for_who_has_lost_the_role(world: World) -> None:
    """Their token is one that no process refuses yet."""
    for who in ("ada", "root"):
        await world.owner.execute("UPDATE users SET generation = generation + 1 WHERE id = $1", world.id_of(who))
    before = await _everything(world)
    await _try(world, "ada", WRITES)
    await _try(world, "root", {**WRITES, **OF_THE_INSTALLATION}, X_Org_Id=str(world.acme))
    assert await _everything(world) == before


async def _everything(world: World) -> list[Any]:
    tables = [
        "users",
        "passwords",
        "password_resets",
        "organisations",
        "organisation_domains",
        "oauth_clients",
        "teams",
    ]
    rows = [await world.owner.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") for table in [*tables, "history"]]
    return [*rows, await world.owner.fetch("SELECT id FROM outbox WHERE type NOT LIKE 'CredentialsUsed%' ORDER BY id")]


HELD = {
    "a role": ("PUT", "/users/{emil}", {"role_id": 2}),
    "a removal": ("DELETE", "/users/{emil}", None),
    "a link": ("POST", "/users/{emil}/password-reset", None),
    "domains": ("PATCH", "/organisations/{acme}", {"domain_names": ["acme.test", "mine.test"]}),
    "a key": ("POST", "/api-keys", {"name": "K", "scopes": ["view:user"]}),
}


@pytest.mark.parametrize("asked", HELD)
async def test_s5_who_waits_while_their_role_ends_gets_nothing(world: World, asked: str) -> None:
    method, path, body = HELD[asked]
    request = world.ask("ada", method, path.format(emil=world.id_of("emil"), acme=world.acme), body)
    reply = await overtaken(world, request, ORGANISATION, world.acme, DEMOTE, world.id_of("ada"))
    assert reply.code == GONE
    assert await world.owner.fetchval("SELECT role_id FROM users WHERE id = $1", world.id_of("emil")) == Role.EMPLOYEE


async def test_s5_a_super_admin_who_waits_is_looked_at_again_too(world: World) -> None:
    request = world.put("root", f"/users/{world.id_of('emil')}", {"role_id": 1})
    raised = "UPDATE users SET generation = generation + 1 WHERE id = $1"
    assert (await overtaken(world, request, ORGANISATION, world.acme, raised, world.id_of("root"))).code == GONE
    assert await world.owner.fetchval("SELECT org_id FROM users WHERE id = $1", world.id_of("emil")) == world.acme


async def test_admins_who_act_on_each_other_do_not_wait_in_a_circle(world: World) -> None:
    """Who waits for the organisation does not hold their own row, which whoever has it may want."""
    request = world.post("ada", f"/users/{world.id_of('abe')}/password-reset")
    hers = "SELECT FROM users WHERE id = $1 FOR UPDATE NOWAIT"
    assert (await overtaken(world, request, ORGANISATION, world.acme, hers, world.id_of("ada"))).status == 201


async def test_links_of_a_super_admin_end_with_their_password(world: World) -> None:
    """Whomever they are for: nobody but the database knows how many organisations these are in."""
    links = [token_of(await link(world, name, by="root")) for name in ("emil", "gina")]
    kept = token_of(await link(world, "mona"))
    change = {"current": PASSWORD, "new": NEW}
    assert (await world.put("root", "/users/me/password", change)).status == 200
    assert [await use(world, one) for one in [*links, kept]] == [400, 400, 200]


async def test_links_of_a_super_admin_who_is_removed_end(world: World) -> None:
    await world.enrol(0, {"rita": Role.SUPER_ADMIN})
    made = token_of(await link(world, "gina", by="rita"))
    assert (await world.delete("root", f"/users/{world.id_of('rita')}")).status == 200
    assert await use(world, made) == 400


async def test_a_super_admins_link_is_not_born_while_their_session_ends(world: World) -> None:
    request = world.post("root", f"/users/{world.id_of('emil')}/password-reset")
    ended = "UPDATE users SET generation = generation + 1 WHERE id = $1"
    reply = await overtaken(world, request, PERSON, world.id_of("root"), ended, world.id_of("root"))
    assert reply.code == GONE
    assert await world.owner.fetchval("SELECT count(*) FROM password_resets") == 0


async def test_an_ended_session_does_not_change_the_password_back(world: World) -> None:
    """The old password was right when it was looked at; the new one was set while the next was hashed."""
    request = world.put("emil", "/users/me/password", {"current": PASSWORD, "new": NEW})
    emil = world.id_of("emil")
    ended = "UPDATE users SET generation = generation + 1 WHERE id = $1"
    assert (await overtaken(world, request, PERSON, emil, ended, emil)).code == GONE
    assert (await world.sign_in("emil")).status == 200


async def test_a_password_that_is_another_by_now_is_not_the_present_one(world: World) -> None:
    request = world.put("emil", "/users/me/password", {"current": PASSWORD, "new": NEW})
    emil = world.id_of("emil")
    other = "UPDATE passwords SET hash = 'another' WHERE user_id = $1"
    reply = await overtaken(world, request, PERSON, emil, other, emil)
    assert (reply.status, set(reply.error["fields"])) == (400, {"current"})
    assert await world.owner.fetchval("SELECT hash FROM passwords WHERE user_id = $1", emil) == "another"


WAITS_FOR_CREDENTIAL = """
SELECT count(*) > 0 FROM pg_locks
WHERE locktype = 'advisory' AND NOT granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
ENDED = "INSERT INTO revocations (credential, version, expires_at) VALUES ('jti:' || $1, 1, now() + interval '1 hour')"


@pytest.mark.parametrize(
    ("asked", "body"),
    [
        ("PUT /users/me/password", {"current": PASSWORD, "new": NEW}),
        ("POST /users/me/tokens", TOKEN),
        ("POST /api-keys", {"name": "K", "scopes": ["view:user"]}),
    ],
)
async def test_s12_a_session_that_ends_while_it_waits_changes_nothing(
    world: World, asked: str, body: dict[str, Any]
) -> None:
    method, path = asked.split()
    jti = await _jti_of(world, "ada")
    request = world.ask("ada", method, path, body)
    reply = await overtaken(world, request, PERSON, world.id_of("ada"), ENDED, jti)
    assert reply.code == GONE


async def test_s12_an_end_waits_for_what_its_session_is_writing(world: World) -> None:
    jti = await _jti_of(world, "ada")
    async with world.owner.transaction():
        assert await world.owner.fetchval("SELECT hold_credential($1)", jti)
        ending = asyncio.ensure_future(world.ask("ada", "POST", "/logout"))
        await eventually(lambda: world.owner.fetchval(WAITS_FOR_CREDENTIAL))
        assert not ending.done()
    assert (await ending).status == 200
    assert not await world.owner.fetchval("SELECT hold_credential($1)", jti)


async def _jti_of(world: World, name: str) -> str:
    """Of their one session, which begins with their first request."""
    await world.get(name, "/whoami")
    jti: str = await world.owner.fetchval("SELECT jti FROM sessions WHERE user_id = $1", world.id_of(name))
    return jti
