"""Applications as an organisation's admins manage them."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from tests.component.auth.api_keys import DISARRANGING
from tests.component.auth.oauth_world import SCOPES, OAuthWorld
from tests.component.auth.world import PASSWORD, World
from tests.support.oauth import REDIRECT_URI, Attempt

BODY: dict[str, Any] = {"name": "Thanks & Co", "redirect_uris": [REDIRECT_URI], "scopes": SCOPES}
SHOWN = {
    "id", "client_id", "name", "confidential", "redirect_uris", "scopes", "created_at", "last_used_at",
}  # fmt: skip


@pytest.fixture
def oauth(world: World) -> OAuthWorld:
    return OAuthWorld(world)


async def test_pa3_a_secret_is_told_once(world: World) -> None:
    made = await world.post("ada", "/oauth/clients", BODY)
    assert (made.status, set(made.data)) == (201, SHOWN | {"client_secret"})
    assert len(made.data["client_secret"]) >= 43
    shown = await world.get("abe", f"/oauth/clients/{made.data['id']}")
    assert shown.data == {name: value for name, value in made.data.items() if name != "client_secret"}
    public = await world.post("ada", "/oauth/clients", {**BODY, "confidential": False})
    assert set(public.data) == SHOWN


async def test_applications_are_listed_by_page(world: World, oauth: OAuthWorld) -> None:
    ids = [(await oauth.register()).id for _ in range(3)]
    await oauth.register("gus")
    first = await world.get("ada", "/oauth/clients?limit=2&total=true")
    assert ([one["id"] for one in first.data], first.meta["total"]) == (ids[:2], 3)
    rest = await world.get("ada", f"/oauth/clients?cursor={first.meta['next_cursor']}")
    assert [one["id"] for one in rest.data] == ids[2:]


async def test_an_application_is_changed_in_parts(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    path = f"/oauth/clients/{application.id}"
    tag = (await world.get("ada", path)).headers["ETag"]
    changed = await world.ask("abe", "PATCH", path, {"name": "Other"}, If_Match=tag)
    assert (changed.data["name"], changed.data["scopes"]) == ("Other", SCOPES)
    assert (await world.ask("abe", "PATCH", path, {"name": "Late"}, If_Match=tag)).status == 412
    moved = await world.ask("ada", "PATCH", path, {"redirect_uris": ["https://new.example.com/"]})
    assert moved.data["redirect_uris"] == ["https://new.example.com/"]
    assert (await oauth.browser().get(Attempt(application).path)).reply.status == 400


@pytest.mark.parametrize("who", ["emil", "mona", "gus"])
async def test_others_neither_see_nor_touch_it(world: World, oauth: OAuthWorld, who: str) -> None:
    path = f"/oauth/clients/{(await oauth.register()).id}"
    status = 404 if who == "gus" else 403
    asked = [await world.get(who, path), await world.ask(who, "PATCH", path, {"name": "x"})]
    asked += [await world.delete(who, path)]
    assert [reply.status for reply in asked] == [status] * 3
    assert (await world.post(who, f"{path}/rotate")).status == (400 if who == "gus" else 403)
    assert (await world.get("ada", path)).data["name"] == "Thanks & Co"


async def test_no_scope_that_is_none_lacking_or_makes_credentials(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    cases = {
        ("view:everything", 400), ("", 400), ("manage:api", 400), ("manage:token", 400), ("manage:organisation", 403),
    }  # fmt: skip
    for scope, status in cases:
        for method, path in (("POST", "/oauth/clients"), ("PATCH", f"/oauth/clients/{application.id}")):
            reply = await world.ask("ada", method, path, {**BODY, "scopes": [*SCOPES, scope]})
            assert reply.status == status, scope
            assert status == 403 or set(reply.error["fields"]) == {"scopes"}


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("name", "x" * 201), ("name", None), ("redirect_uris", "x"),
     *(("name", f"Pay{sign}roll") for sign in DISARRANGING), ("scopes", []), ("scopes", "x"),
     ("scopes", ["view:user", "view:user"]), ("redirect_uris", [REDIRECT_URI] * 2), ("confidential", "yes"),
     ("redirect_uris", [f"{REDIRECT_URI}{number}" for number in range(21)])],
)  # fmt: skip
async def test_a_wrong_field_is_named(world: World, field: str, value: Any) -> None:
    reply = await world.post("ada", "/oauth/clients", {**BODY, field: value})
    assert (reply.status, set(reply.error["fields"])) == (400, {field})


async def test_a_public_application_has_an_address_and_no_secret(world: World, oauth: OAuthWorld) -> None:
    refused = await world.post("ada", "/oauth/clients", {**BODY, "confidential": False, "redirect_uris": []})
    assert (refused.status, set(refused.error["fields"])) == (400, {"redirect_uris"})
    application = await oauth.register(confidential=False)
    path = f"/oauth/clients/{application.id}"
    assert (await world.post("ada", f"{path}/rotate")).status == 409
    assert (await world.ask("ada", "PATCH", path, {"redirect_uris": []})).status == 400


async def test_a_secret_is_given_to_a_person_and_not_to_a_key(world: World, oauth: OAuthWorld) -> None:
    """A key that ends would live on in what it registered."""
    application = await oauth.register()
    key = (await world.post("ada", "/api-keys", {"name": "Script", "scopes": ["manage:api", "view:profile"]})).data[
        "key"
    ]
    body = {**BODY, "scopes": ["view:profile"]}
    assert (await world.post(key, "/oauth/clients", body)).status == 403
    assert (await world.post(key, f"/oauth/clients/{application.id}/rotate")).status == 403
    assert (await world.get(key, "/oauth/clients")).status == 200
    widened = await world.ask(key, "PATCH", f"/oauth/clients/{application.id}", {"scopes": [*SCOPES, "manage:user"]})
    assert widened.status == 403


async def test_a_credential_tells_for_which_application_it_is(world: World, oauth: OAuthWorld) -> None:
    application = await oauth.register()
    told = (await world.get((await oauth.tokens(application))["access_token"], "/whoami")).data
    assert application.client_id in str(told)


async def test_logs_hold_no_secret_of_oauth(world: World, oauth: OAuthWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    application, browser = await oauth.register(), oauth.browser()
    attempt = Attempt(application)
    await browser.sign_in(attempt, "emil@acme.test", "canary words nobody says")
    code = await oauth.code(attempt, browser=browser)
    given = (await oauth.token(attempt.redemption(code))).body
    renewed = (await oauth.refresh(application, given["refresh_token"])).body
    await oauth.refresh(application, given["refresh_token"])
    await oauth.form("/oauth/introspect", {"token": renewed["refresh_token"], **application.credentials})
    world.clock.ahead += timedelta(minutes=1)
    await oauth.token(attempt.redemption(code))
    written = "\n".join(str(vars(record)) for record in caplog.records)
    assert "/oauth/token" in written
    secrets = [
        application.secret,
        attempt.verifier,
        attempt.state,
        code,
        PASSWORD,
        "canary words",
        *browser.cookies.values(),
    ]
    secrets += [one[name] for one in (given, renewed) for name in ("access_token", "refresh_token")]
    for secret in secrets:
        assert str(secret) not in written
