"""Refresh tokens: each works once, and one that comes again ends its family (S19)."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest

from tests.component.auth.oauth_world import OAuthWorld
from tests.component.auth.world import World
from tests.support.oauth import Application, Attempt, Browser, refreshing
from tests.support.racing import only_success, racing

REUSED = 100
RACED = 100
"""As the row asks for: tokens that come again, and tokens for which 64 race."""


async def first_tokens(oauth: OAuthWorld, application: Application, browser: Browser) -> dict[str, Any]:
    attempt = Attempt(application)
    given = await oauth.token(attempt.redemption((await browser.get(attempt.path)).returned["code"]))
    assert given.status == 200
    return dict(given.body)


@pytest.mark.timeout(600)
async def test_s19_of_64_refreshes_at_once_one_succeeds_and_the_family_ends(
    oauth: OAuthWorld, application: Application, browser: Browser
) -> None:
    async with racing(oauth.world.address) as racers:
        for _ in range(RACED):
            first = await first_tokens(oauth, application, browser)
            form = refreshing(application, first["refresh_token"])
            given = only_success(await racers.race("/oauth/token", form))
            for token in (first["access_token"], given["access_token"]):
                assert not await oauth.works(token)
            await oauth.refuses(await oauth.refresh(application, given["refresh_token"]))


async def test_s19_a_hundred_refresh_tokens_that_come_again_end_their_families(
    oauth: OAuthWorld, application: Application, browser: Browser
) -> None:
    """Whichever of the used ones comes, by thief or owner."""
    for _ in range(REUSED):
        line = [await first_tokens(oauth, application, browser)]
        for _ in range(random.randint(1, 3)):
            line.append((await oauth.refresh(application, line[-1]["refresh_token"])).body)
        await oauth.refuses(await oauth.refresh(application, random.choice(line[:-1])["refresh_token"]))
        await oauth.refuses(await oauth.refresh(application, line[-1]["refresh_token"]))
        assert [await oauth.works(given["access_token"]) for given in line] == [False] * len(line)


async def test_s19_another_family_of_the_same_person_goes_on(
    oauth: OAuthWorld, application: Application, browser: Browser
) -> None:
    first, other = [await first_tokens(oauth, application, browser) for _ in range(2)]
    assert (await oauth.refresh(application, first["refresh_token"])).status == 200
    await oauth.refuses(await oauth.refresh(application, first["refresh_token"]))
    assert await oauth.works(other["access_token"])
    assert (await oauth.refresh(application, other["refresh_token"])).status == 200


async def test_s19_a_refresh_token_lasts_thirty_days_unused_and_a_year_at_most(
    world: World, oauth: OAuthWorld, application: Application, browser: Browser
) -> None:
    unused, used = [await first_tokens(oauth, application, browser) for _ in range(2)]
    for _ in range(12):
        world.clock.ahead += timedelta(days=29)
        used = (await oauth.refresh(application, used["refresh_token"])).body
    await oauth.refuses(await oauth.refresh(application, unused["refresh_token"]))
    world.clock.ahead += timedelta(days=18)
    await oauth.refuses(await oauth.refresh(application, used["refresh_token"]))


STRANGERS: dict[str, tuple[str, bool]] = {
    "of the organisation": ("ada", True),
    "of another organisation": ("gus", True),
    "without a secret": ("ada", False),
}


@pytest.mark.parametrize("stranger", STRANGERS)
async def test_s19_another_application_cannot_use_or_end_it(
    oauth: OAuthWorld, application: Application, browser: Browser, stranger: str
) -> None:
    who, confidential = STRANGERS[stranger]
    other = await oauth.register(who, confidential=confidential)
    given = await first_tokens(oauth, application, browser)
    await oauth.refuses(await oauth.refresh(other, given["refresh_token"]))
    form = {"token": given["refresh_token"], **other.credentials}
    assert (await oauth.form("/oauth/revoke", form)).status == 200
    assert (await oauth.refresh(application, given["refresh_token"])).status == 200
