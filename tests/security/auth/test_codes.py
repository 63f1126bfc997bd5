"""Codes: each once, within a minute, for the application, address and verifier that it was made for (S17)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.contracts.auth import SessionRevoked
from tests.component.auth.oauth_world import OAuthWorld
from tests.component.auth.world import World
from tests.support.oauth import Application, Attempt, Browser
from tests.support.racing import only_success, racing

REPLAYED = 100
RACED = 100
"""As the row asks for: codes that come again, and codes for which 64 race."""
WRONG_REDEMPTIONS: dict[str, tuple[dict[str, str | None], str]] = {
    "no code": ({"code": None}, "invalid_request"),
    "empty code": ({"code": ""}, "invalid_request"),
    "a code nobody gave": ({"code": "x" * 43}, "invalid_grant"),
    "a code with NUL": ({"code": "\0"}, "invalid_grant"),
    "no redirect address": ({"redirect_uri": None}, "invalid_request"),
    "another redirect address": ({"redirect_uri": "https://app.example.com/other"}, "invalid_grant"),
    "another registered redirect address": ({"redirect_uri": "https://app.example.com/too"}, "invalid_grant"),
    "no grant type": ({"grant_type": None}, "invalid_request"),
}


@pytest.mark.parametrize("name", WRONG_REDEMPTIONS)
async def test_s17_such_a_redemption_is_refused_and_the_code_stays_good(oauth: OAuthWorld, name: str) -> None:
    addresses = ["https://app.example.com/back", "https://app.example.com/too"]
    attempt = Attempt(await oauth.register(redirect_uris=addresses))
    code = await oauth.code(attempt)
    changes, error = WRONG_REDEMPTIONS[name]
    form = {"code": code, **changes}
    await oauth.refuses(await oauth.token(attempt.redemption(form.pop("code") or "", **form)), error)
    assert (await oauth.token(attempt.redemption(code))).status == 200


@pytest.mark.parametrize("stranger", ["of the organisation", "of another organisation", "without a secret"])
async def test_s17_another_application_cannot_redeem_it(
    oauth: OAuthWorld, application: Application, browser: Browser, stranger: str
) -> None:
    who, confidential = ("gus" if "another" in stranger else "ada"), stranger != "without a secret"
    other = await oauth.register(who, confidential=confidential)
    attempt = Attempt(application)
    code = (await browser.get(attempt.path)).returned["code"]
    form = {"client_secret": None, **other.credentials}
    await oauth.refuses(await oauth.token(attempt.redemption(code, **form)))
    assert (await oauth.token(attempt.redemption(code))).status == 200


async def test_s17_a_hundred_codes_that_come_again_end_what_they_gave(
    world: World, oauth: OAuthWorld, application: Application, browser: Browser
) -> None:
    before = len(await world.told(SessionRevoked))
    for _ in range(REPLAYED):
        attempt = Attempt(application)
        form = attempt.redemption((await browser.get(attempt.path)).returned["code"])
        given = (await oauth.token(form)).body
        await oauth.refuses(await oauth.token(form))
        assert not await oauth.works(given["access_token"])
        await oauth.refuses(await oauth.refresh(application, given["refresh_token"]))
    assert len(await world.told(SessionRevoked)) == before + REPLAYED


async def test_s17_a_code_that_comes_again_ends_what_was_renewed_meanwhile(
    oauth: OAuthWorld, application: Application, browser: Browser
) -> None:
    attempt = Attempt(application)
    form = attempt.redemption((await browser.get(attempt.path)).returned["code"])
    first = (await oauth.token(form)).body
    second = (await oauth.refresh(application, first["refresh_token"])).body
    await oauth.refuses(await oauth.token(form))
    for token in (first["access_token"], second["access_token"]):
        assert not await oauth.works(token)
    await oauth.refuses(await oauth.refresh(application, second["refresh_token"]))


async def test_s17_a_code_lasts_a_minute(
    world: World, oauth: OAuthWorld, application: Application, browser: Browser
) -> None:
    attempt = Attempt(application)
    code = (await browser.get(attempt.path)).returned["code"]
    world.clock.ahead += timedelta(seconds=60)
    await oauth.refuses(await oauth.token(attempt.redemption(code)))
    world.clock.ahead -= timedelta(seconds=20)
    assert (await oauth.token(attempt.redemption(code))).status == 200


@pytest.mark.timeout(600)
async def test_s17_of_64_redemptions_at_once_one_succeeds(
    oauth: OAuthWorld, application: Application, browser: Browser
) -> None:
    async with racing(oauth.world.address) as racers:
        for _ in range(RACED):
            attempt = Attempt(application)
            form = attempt.redemption((await browser.get(attempt.path)).returned["code"])
            given = only_success(await racers.race("/oauth/token", form))
            assert not await oauth.works(given["access_token"])
