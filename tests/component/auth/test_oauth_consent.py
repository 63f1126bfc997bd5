"""What is remembered of a yes: what the page said, for as long as the person leaves it so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.component.auth.oauth_world import SCOPES, OAuthWorld
from tests.component.auth.overtaking import GRANT, overtaken
from tests.component.auth.world import PASSWORD, World
from tests.support.oauth import REDIRECT_URI, Application, Attempt, Browser

PROFILE: dict[str, str | None] = {"scope": "view:profile"}
SEEN: dict[str, dict[str, Any]] = {
    "another name": {"name": "Payroll"},
    "another address": {"redirect_uris": [REDIRECT_URI, "https://elsewhere.example.com/"]},
}


@pytest.fixture
def oauth(world: World) -> OAuthWorld:
    return OAuthWorld(world)


async def change(world: World, application: Application, body: dict[str, Any]) -> None:
    assert (await world.ask("ada", "PATCH", f"/oauth/clients/{application.id}", body)).status == 200


async def consented(oauth: OAuthWorld) -> tuple[Application, Browser]:
    """An application that emil has allowed all its scopes, and the browser in which he is signed in."""
    application, browser = await oauth.register(), oauth.browser()
    await oauth.code(Attempt(application), browser=browser)
    return application, browser


async def test_a_grant_that_ends_while_the_browser_waits_is_not_given_again(world: World, oauth: OAuthWorld) -> None:
    application, browser = await consented(oauth)
    emil, ended = world.id_of("emil"), "DELETE FROM oauth_grants WHERE user_id = $1"
    page = await overtaken(world, browser.get(Attempt(application).path), GRANT, emil, ended, emil)
    assert page.choices
    assert (await world.get("emil", "/users/me/grants")).data == []
    assert "code" in (await browser.submit(page, decision="allow")).returned


@pytest.mark.parametrize("seen", SEEN)
async def test_an_application_that_looks_different_is_allowed_anew(world: World, oauth: OAuthWorld, seen: str) -> None:
    application, browser = await consented(oauth)
    await change(world, application, SEEN[seen])
    page = await browser.get(Attempt(application).path)
    assert page.choices
    assert "code" in (await browser.submit(page, decision="allow")).returned
    assert "code" in (await browser.get(Attempt(application).path)).returned


async def test_what_was_allowed_under_another_name_is_not_added(world: World, oauth: OAuthWorld) -> None:
    application, browser = await consented(oauth)
    await change(world, application, SEEN["another name"])
    page = await browser.get(Attempt(application, PROFILE).path)
    assert "code" in (await browser.submit(page, decision="allow")).returned
    assert (await world.get("emil", "/users/me/grants")).data[0]["scopes"] == ["view:profile"]
    assert "code" in (await browser.get(Attempt(application, PROFILE).path)).returned
    assert (await browser.get(Attempt(application).path)).choices


async def test_other_scopes_and_secrets_and_the_same_again_are_no_other_application(
    world: World, oauth: OAuthWorld
) -> None:
    application, browser = await consented(oauth)
    before = (await world.get("ada", f"/oauth/clients/{application.id}")).data
    await change(world, application, {"name": before["name"], "redirect_uris": before["redirect_uris"]})
    await change(world, application, {"scopes": [*SCOPES, "view:user"]})
    assert (await world.post("ada", f"/oauth/clients/{application.id}/rotate")).status == 201
    assert "code" in (await browser.get(Attempt(application, PROFILE).path)).returned


async def test_a_page_that_told_another_name_decides_nothing(world: World, oauth: OAuthWorld) -> None:
    application, browser = await oauth.register(), oauth.browser()
    page = await browser.sign_in(Attempt(application), world.email_of("emil"), PASSWORD)
    await change(world, application, SEEN["another name"])
    assert (await browser.submit(page, decision="allow")).reply.status == 403
    again = await browser.get(Attempt(application).path)
    assert "Payroll" in again.text
    assert "code" in (await browser.submit(again, decision="allow")).returned
