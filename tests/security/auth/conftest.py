"""Auth with two organisations, one for a whole file of attacks; the clock is right again after each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import asyncpg
import pytest

from tests.component.auth.oauth_world import OAuthWorld
from tests.component.auth.running import BUILD, environment_of, running_world
from tests.component.auth.world import PASSWORD, World
from tests.support import google
from tests.support.databases import Databases
from tests.support.oauth import Application, Attempt, Browser


@pytest.fixture(scope="module")
async def running(databases: Databases) -> AsyncIterator[World]:
    scratch = await databases.make(BUILD)
    owner = await asyncpg.connect(scratch.admin_url, server_settings={"search_path": "auth"})
    with pytest.MonkeyPatch.context() as environment:
        async with google.serving() as its_google:
            told = {**environment_of(its_google), "DATABASE_URL": scratch.url("auth"), "PEERLY_RATE_LIMITS": "off"}
            for name, value in told.items():
                environment.setenv(name, value)
            async with running_world(its_google, owner) as world:
                yield world
    await owner.close()
    await databases.drop(scratch)


@pytest.fixture
def world(running: World) -> Iterator[World]:
    yield running
    running.clock.ahead = timedelta()


@pytest.fixture
def oauth(world: World) -> OAuthWorld:
    return OAuthWorld(world)


@pytest.fixture(scope="module")
async def application(running: World) -> Application:
    return await OAuthWorld(running).register()


@pytest.fixture(scope="module")
async def browser(running: World, application: Application) -> Browser:
    """Somebody who has allowed the application before, so that a code comes at once."""
    browser = OAuthWorld(running).browser()
    await browser.allow(Attempt(application), running.email_of("emil"), PASSWORD)
    return browser
