"""What outlives the credential that asks for it takes a session: applications, providers, roles, domains, links."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.component.auth.oauth_world import SCOPES, OAuthWorld
from tests.component.auth.providing import add, answered, path, ready
from tests.component.auth.world import World
from tests.support.identity_provider import AUDIENCE, IdentityProvider
from tests.support.oauth import REDIRECT_URI

DENIED = (403, "access_denied")
ELSEWHERE = ["https://elsewhere.example.com/"]


@pytest.fixture
def oauth(world: World) -> OAuthWorld:
    return OAuthWorld(world)


async def whole_token(world: World) -> str:
    """A personal token with all rights of an admin."""
    body = {"name": "All of it", "expires_at": int(time.time()) + 300}
    return str((await world.post("ada", "/users/me/tokens", body)).data["token"])


async def whole_key(world: World) -> str:
    """An API key with all rights of an admin."""
    body = {"name": "All of it", "scopes": (await world.get("ada", "/whoami")).data["scopes"]}
    return str((await world.post("ada", "/api-keys", body)).data["key"])


async def providers_token(world: World, idp: IdentityProvider) -> str:
    await ready(world, idp)
    token = idp.token("ada@acme.test")
    assert (await answered(world, token)).data["role_id"] == 2
    return token


async def test_a_providers_token_makes_nothing_that_stays_when_the_provider_goes(
    world: World, oauth: OAuthWorld, idp: IdentityProvider
) -> None:
    token = await providers_token(world, idp)
    application, other = await oauth.register(), await add(world, idp, audience="other")
    one, provider = f"/oauth/clients/{application.id}", path(world, other["id"])
    wanted = {"name": "Stays", "redirect_uris": [REDIRECT_URI], "scopes": SCOPES}
    births: list[tuple[str, str, Any]] = [
        ("POST", "/oauth/clients", wanted),
        ("POST", "/oauth/clients", {**wanted, "confidential": False}),
        ("POST", f"{one}/rotate", None),
        ("PATCH", one, {"redirect_uris": ELSEWHERE}),
        ("PATCH", one, {"scopes": [*SCOPES, "view:user"]}),
        ("POST", path(world), {"issuer": idp.address, "audience": "third"}),
        ("PATCH", provider, {"audience": "fourth"}),
    ]
    for method, place, body in births:
        assert (await world.ask(token, method, place, body)).code == DENIED, (method, place, body)
        assert (await world.ask("ada", method, place, body)).status in {200, 201}, (method, place, body)
    assert (await world.delete(token, path(world, other["id"]))).status == 204


WAYS_TO_STAY = {
    "another role": ("PUT", "/users/{emil}", {"role_id": 2}),
    "domains": ("PATCH", "/organisations/{acme}", {"domain_names": ["acme.test", "elsewhere.test"]}),
    "a link that sets a password": ("POST", "/users/{mona}/password-reset", None),
}


@pytest.mark.parametrize("kind", ["provider", "token", "key"])
async def test_s5_nobody_stays_by_what_a_credential_gave_that_ends(
    world: World, idp: IdentityProvider, kind: str
) -> None:
    """Neither a role, nor a way in for others, nor a password: with all rights of an admin, but without a session."""
    makers = {"provider": lambda: providers_token(world, idp), "token": lambda: whole_token(world)}
    credential = await makers.get(kind, lambda: whole_key(world))()
    for method, place, body in WAYS_TO_STAY.values():
        path = place.format(emil=world.id_of("emil"), mona=world.id_of("mona"), acme=world.acme)
        assert (await world.ask(credential, method, path, body)).code == DENIED, (kind, path)
        assert (await world.ask("ada", method, path, body)).status in {200, 201}, path
    city = {"city": "Bonn"}
    assert (await world.ask(credential, "PATCH", f"/organisations/{world.acme}", city)).status == 200


async def test_a_personal_token_of_all_rights_trusts_no_provider(world: World, idp: IdentityProvider) -> None:
    added, token = await add(world, idp), await whole_token(world)
    wanted = {"issuer": idp.address, "audience": f"{AUDIENCE}-of-a-thief"}
    assert (await world.post(token, path(world), wanted)).code == DENIED
    assert (await world.ask(token, "PATCH", path(world, added["id"]), {"audience": "x"})).code == DENIED
    assert (await world.delete(token, path(world, added["id"]))).status == 204


@pytest.mark.parametrize("confidential", [True, False], ids=["confidential", "public"])
@pytest.mark.parametrize(
    "change", [{"redirect_uris": ELSEWHERE}, {"name": "Payroll"}, {"scopes": [*SCOPES, "view:user"]}], ids=str
)
async def test_a_key_does_not_widen_itself_over_an_application(
    world: World, oauth: OAuthWorld, change: dict[str, Any], *, confidential: bool
) -> None:
    """People who allow it would be sent, with their codes, to whoever has the key."""
    application = await oauth.register(confidential=confidential)
    place = f"/oauth/clients/{application.id}"
    before = (await world.get("ada", place)).data
    body = {"name": "Script", "scopes": ["manage:api", "view:profile", "view:user"]}
    key = (await world.post("ada", "/api-keys", body)).data["key"]
    assert (await world.ask(key, "PATCH", place, change)).code == DENIED
    assert (await world.ask(await whole_token(world), "PATCH", place, change)).code == DENIED
    assert (await world.get("ada", place)).data == before
    fewer = await world.ask(key, "PATCH", place, {"name": before["name"], "scopes": ["view:profile"]})
    assert (fewer.status, fewer.data["scopes"]) == (200, ["view:profile"])
    assert (await world.ask("ada", "PATCH", place, change)).status == 200


async def test_nobody_moves_an_application_whose_scopes_they_lack(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    await world.owner.execute("UPDATE oauth_clients SET scopes = scopes || '{manage:organisation}'")
    place = f"/oauth/clients/{application.id}"
    assert (await world.ask("ada", "PATCH", place, {"redirect_uris": ELSEWHERE})).code == DENIED
    taken = await world.ask("ada", "PATCH", place, {"redirect_uris": ELSEWHERE, "scopes": SCOPES})
    assert taken.code == DENIED
    assert (await world.ask("ada", "PATCH", place, {"scopes": SCOPES})).status == 200


@pytest.mark.parametrize("kind", ["token", "key"])
async def test_a_program_writes_an_organisation_anew_with_the_domains_that_it_has(world: World, kind: str) -> None:
    credential, place = await (whole_token if kind == "token" else whole_key)(world), f"/organisations/{world.acme}"
    known = (await world.get(credential, place)).data
    for domains in (["acme.test"], ["ACME.Test"]):
        body = {**known, "name": "Acme & Daughters", "domain_names": domains}
        assert (await world.put(credential, place, body)).data["name"] == "Acme & Daughters"
        assert (await world.ask(credential, "PATCH", place, {"domain_names": domains})).status == 200
    for domains in (["acme.test", "elsewhere.test"], ["elsewhere.test"]):
        assert (await world.put(credential, place, {**known, "domain_names": domains})).code == DENIED
        assert (await world.ask(credential, "PATCH", place, {"domain_names": domains})).code == DENIED
    assert (await world.get(credential, place)).data["domain_names"] == ["acme.test"]
