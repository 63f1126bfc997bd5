"""What the token endpoint and its neighbours refuse: applications that prove nothing, requests that are none."""

from __future__ import annotations

import base64

import pytest

from tests.component.auth.oauth_world import OAuthWorld
from tests.component.auth.world import World
from tests.support.api import Reply
from tests.support.oauth import Attempt


@pytest.fixture
def oauth(world: World) -> OAuthWorld:
    return OAuthWorld(world)


WRONG_CLIENTS: dict[str, dict[str, str]] = {
    "no id": {},
    "unknown id": {"client_id": "app-unknown", "client_secret": "x"},
    "no secret": {"client_secret": ""},
    "wrong secret": {"client_secret": "x" * 43},
    "secret beyond ASCII": {"client_secret": "\u00e4" * 43},
    "id with NUL": {"client_id": "\0", "client_secret": "x"},
    "endless secret": {"client_secret": "x" * 200},
}
WRONG_HEADERS = {
    "wrong secret": base64.b64encode(b"app-unknown:x").decode(),
    "no colon": base64.b64encode(b"app").decode(),
    "no base64": "%%%",
    "no UTF-8": base64.b64encode(b"\xff\xff:\xff").decode(),
    "empty": "",
}


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke", "/oauth/introspect"])
async def test_who_does_not_prove_itself_gets_401(oauth: OAuthWorld, path: str) -> None:
    application = await oauth.register()
    form = {"grant_type": "client_credentials", "token": "x"}
    for name, changes in WRONG_CLIENTS.items():
        sent = {**form, **(application.credentials if "id" not in name else {}), **changes}
        await _is_challenged(oauth, await oauth.form(path, sent), name)
    for name, pair in WRONG_HEADERS.items():
        await _is_challenged(oauth, await oauth.form(path, form, Authorization=f"Basic {pair}"), name)


async def _is_challenged(oauth: OAuthWorld, reply: Reply, name: str) -> None:
    assert reply.status == 401, (name, reply.raw)
    await oauth.refuses(reply, "invalid_client", 401)
    assert reply.headers["WWW-Authenticate"].startswith("Basic ")


async def test_s11_nothing_of_oauth_but_its_access_token_is_a_credential(world: World, oauth: OAuthWorld) -> None:
    attempt = Attempt(await oauth.register())
    code = await oauth.code(attempt)
    for secret in (code, attempt.application.secret, attempt.application.client_id, attempt.verifier):
        assert (await world.get(secret, "/users/me")).status == 401
    given = (await oauth.token(attempt.redemption(code))).body
    assert (await world.get(given["refresh_token"], "/users/me")).status == 401
    for token in (given["access_token"], code, world.tokens["emil"]):
        await oauth.refuses(await oauth.refresh(attempt.application, token))
    for token in (given["access_token"], given["refresh_token"], world.tokens["emil"]):
        await oauth.refuses(await oauth.token(attempt.redemption(token)))
    assert await oauth.works(given["access_token"])


async def test_errors_are_as_rfc_6749_writes_them_whatever_is_sent(world: World, oauth: OAuthWorld) -> None:
    credentials = (await oauth.register()).credentials
    url = world.address + "/oauth/token"
    form = "&".join(f"{name}={value}" for name, value in credentials.items())
    kind = "application/x-www-form-urlencoded"
    sent: dict[str, tuple[str | bytes, str]] = {
        "nothing": ("", kind),
        "JSON": ('{"grant_type": "client_credentials"}', "application/json"),
        "no type": ("grant_type=client_credentials", "text/plain"),
        "twice": (f"grant_type=client_credentials&grant_type=password&{form}", kind),
        "no UTF-8": (b"grant_type=\xff\xfe", kind),
        "percent no UTF-8": ("grant_type=%ff%fe", kind),
        "very many fields": ("&".join(f"a{number}=b" for number in range(200)), kind),
        "empty grant type": (f"grant_type=&{form}", kind),
        "endless grant type": (f"grant_type={'x' * 300}&{form}", kind),
    }
    for name, (body, content_type) in sent.items():
        async with world.session.post(url, data=body, headers={"Content-Type": content_type}) as answer:
            told = await answer.json()
            assert (answer.status, told["error"]) == (400, "invalid_request"), (name, told)
            assert set(told) == {"error", "error_description"}
            assert all(32 <= ord(letter) < 127 and letter not in '"\\' for letter in told["error_description"]), name
            assert answer.headers["Cache-Control"] == "no-store"


async def test_an_idempotency_key_changes_nothing_here(oauth: OAuthWorld) -> None:
    application = await oauth.register()
    form = {"grant_type": "client_credentials", **application.credentials}
    replies = [await oauth.token(form, Idempotency_Key="the same") for _ in range(2)]
    assert replies[0].body["access_token"] != replies[1].body["access_token"]
