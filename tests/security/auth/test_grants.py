"""Ways to a token that there are not, and scopes that nobody wins (S20; RFC 9700)."""

from __future__ import annotations

import pytest

from tests.component.auth.oauth_world import SCOPES, OAuthWorld
from tests.component.auth.world import PASSWORD, World
from tests.support.oauth import Application, Attempt

WRONG_GRANT_TYPES = {
    "password": {"grant_type": "password", "username": "emil@acme.test", "password": PASSWORD},
    "implicit": {"grant_type": "implicit"},
    "token": {"grant_type": "token"},
    "in capitals": {"grant_type": "CLIENT_CREDENTIALS"},
    "with a space": {"grant_type": "client_credentials "},
    "assertion": {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"},
    "device": {"grant_type": "urn:ietf:params:oauth:grant-type:device_code"},
    "exchange": {"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange"},
}
WRONG_RESPONSE_TYPES = ["token", "id_token", "code token", "code id_token", "id_token token", "none"]
WIDER = {
    "known to others": "view:profile manage:user",
    "of an admin": "manage:organisation",
    "that is none": "everything",
    "malformed": "view:profile  view:profile",
    "makes credentials": "manage:token",
}
BEYOND_ITS_OWN = {name: scope for name, scope in WIDER.items() if name != "known to others"}


def test_s20_the_tables_are_long_enough() -> None:
    assert len(WRONG_GRANT_TYPES) + len(WRONG_RESPONSE_TYPES) + len(WIDER) + len(BEYOND_ITS_OWN) >= 10


@pytest.mark.parametrize("name", WRONG_GRANT_TYPES)
async def test_s20_there_is_no_such_grant(oauth: OAuthWorld, application: Application, name: str) -> None:
    refused = await oauth.token({**WRONG_GRANT_TYPES[name], **application.credentials})
    await oauth.refuses(refused, "unsupported_grant_type")


@pytest.mark.parametrize("kind", WRONG_RESPONSE_TYPES)
async def test_s20_no_token_comes_in_an_address(oauth: OAuthWorld, application: Application, kind: str) -> None:
    returned = (await oauth.browser().get(Attempt(application, {"response_type": kind}).path)).returned
    assert (returned["error"], set(returned)) == (
        "unsupported_response_type",
        {"error", "error_description", "state", "iss"},
    )


@pytest.fixture(scope="module")
async def powerful(running: World) -> Application:
    """An application with a scope that employees lack."""
    return await OAuthWorld(running).register(scopes=[*SCOPES, "manage:user"])


@pytest.mark.parametrize("name", WIDER)
async def test_s20_no_scope_is_won_at_refresh(oauth: OAuthWorld, powerful: Application, name: str) -> None:
    given = await oauth.tokens(powerful)
    await oauth.refuses(await oauth.refresh(powerful, given["refresh_token"], scope=WIDER[name]), "invalid_scope")
    narrow = (await oauth.refresh(powerful, given["refresh_token"], scope="view:profile")).body
    assert narrow["scope"] == "view:profile"
    assert (await oauth.refresh(powerful, narrow["refresh_token"])).body["scope"] == " ".join(SCOPES)


@pytest.mark.parametrize("scope", [*BEYOND_ITS_OWN.values(), "view:recognition"], ids=[*BEYOND_ITS_OWN, "another"])
async def test_s20_an_application_of_its_own_has_its_own_scopes_only(oauth: OAuthWorld, scope: str) -> None:
    application = await oauth.register("ada", scopes=["view:profile", "manage:user"])
    form = {"grant_type": "client_credentials", **application.credentials}
    await oauth.refuses(await oauth.token({**form, "scope": scope}), "invalid_scope")
    assert (await oauth.token(form)).body["scope"] == "manage:user view:profile"
