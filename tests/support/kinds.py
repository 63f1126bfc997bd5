"""A credential of each kind, all of one person, and the places where credentials are shown."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support import identity_provider
from tests.support.api import Reply
from tests.support.databases import Databases, ScratchDatabase, build_template
from tests.support.identity_provider import AUDIENCE, IdentityProvider
from tests.support.installation import Company, Installation, Member, installation
from tests.support.oauth import REDIRECT_URI, Application, Attempt, Browser
from tests.support.waiting import eventually

ROUTES = ("/users/me", "/core_values", "/quota/me", "/moderation/cases")
SCOPES = ["review:recognition", "view:core_value", "view:profile", "view:quota"]
PASSWORD, NEW_PASSWORD = "unrelated walrus teapot", "another unrelated walrus"
MADE_FOR = {
    "bearer": {"session", "personal token", "API key", "access token", "session by key", "provider's token"},
    "refresh": {"refresh token"},
    "code": {"authorization code"},
    "client": {"client secret"},
    "link": {"link"},
    "Google": {"Google's token"},
    "X-Api-Key": {"API key"},
    "password": {"password"},
}
_numbers = count(1)
KINDS = sorted(set[str]().union(*MADE_FOR.values()))


def _address() -> str:
    """One that nobody else has: these tests are not about guessing."""
    number = next(_numbers)
    return f"10.0.{number >> 8 & 255}.{number & 255}"


@dataclass(slots=True)
class World:
    """A company whose moderator has one credential of each kind."""

    peerly: Installation
    database: ScratchDatabase
    company: Company
    application: Application
    attempt: Attempt
    held: dict[str, str] = field(default_factory=dict)

    @property
    def owner(self) -> Member:
        return self.company.moderator

    async def form(self, form: dict[str, str]) -> Reply:
        url = f"{self.peerly.url}/oauth/token"
        async with self.peerly.session.post(url, data=aiohttp.FormData(form)) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def as_bearer(self, credential: str) -> list[int]:
        return [(await self.peerly.ask("GET", path, token=credential)).status for path in ROUTES]

    async def as_refresh(self, credential: str) -> list[int]:
        form = {"grant_type": "refresh_token", "refresh_token": credential, **self.application.credentials}
        return [(await self.form(form)).status]

    async def as_code(self, credential: str) -> list[int]:
        return [(await self.form(self.attempt.redemption(credential))).status]

    async def as_client(self, credential: str) -> list[int]:
        form = {"grant_type": "client_credentials", "client_id": self.application.client_id}
        return [(await self.form({**form, "client_secret": credential})).status]

    async def as_link(self, credential: str) -> list[int]:
        return [await self._post(f"/password-resets/{credential}", {"password": NEW_PASSWORD})]

    async def as_google(self, credential: str) -> list[int]:
        return [await self._post("/oauth/google", {"access_token": credential})]

    async def as_api_key(self, credential: str) -> list[int]:
        body = {"userName": self.owner.email, "password": PASSWORD}
        return [await self._post("/authentication/login", body, {"X-Api-Key": credential})]

    async def as_password(self, credential: str) -> list[int]:
        return [await self._post("/login", {"username": self.owner.email, "password": credential})]

    async def _post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> int:
        sent = {"X-Forwarded-For": _address(), **(headers or {})}
        return (await self.peerly.ask("POST", path, body=body, headers=sent)).status


PLACES: dict[str, Callable[[World, str], Awaitable[list[int]]]] = {
    "bearer": World.as_bearer,
    "refresh": World.as_refresh,
    "code": World.as_code,
    "client": World.as_client,
    "link": World.as_link,
    "Google": World.as_google,
    "X-Api-Key": World.as_api_key,
    "password": World.as_password,
}


@asynccontextmanager
async def holding(databases: Databases, folder: Path) -> AsyncIterator[World]:
    """A running Peerly on a database of its own, where somebody holds one of each."""
    database = await databases.make(build_template)
    async with AsyncExitStack() as stack:
        environment = stack.enter_context(pytest.MonkeyPatch.context())
        environment.setenv("PEERLY_PROVIDERS_INTERNAL", "on")
        idp = await stack.enter_async_context(identity_provider.serving())
        peerly = await stack.enter_async_context(installation(database, folder))
        company = await peerly.company()
        body = {"name": "Thanks", "redirect_uris": [REDIRECT_URI], "scopes": SCOPES}
        registered = await peerly.expect(201, "POST", "/oauth/clients", token=company.admin.token, body=body)
        application = Application.of(registered)
        made = World(peerly, database, company, application, Attempt(application))
        await _hold_everything(made)
        await _hold_a_providers_token(made, idp)
        yield made
    await databases.drop(database)


async def _hold_everything(world: World) -> None:
    peerly, owner, held = world.peerly, world.owner, world.held
    link = await _link(world, owner)
    await peerly.expect(200, "POST", f"/password-resets/{link}", body={"password": PASSWORD})
    session = (await peerly.sign_in(owner.email)).token
    expires_at = int(time.time()) + 3600
    body = {"name": "Mine", "scopes": SCOPES, "expires_at": expires_at}
    held["session"], held["password"] = session, PASSWORD
    held["personal token"] = (await peerly.expect(201, "POST", "/users/me/tokens", token=session, body=body))["token"]
    key = await peerly.expect(201, "POST", "/api-keys", token=world.company.admin.token, body=body)
    held["API key"] = key["key"]
    held["client secret"] = str(world.application.secret)
    headers = {"X-Api-Key": key["key"]}
    by_key = {"userName": owner.email, "password": PASSWORD}
    reply = await peerly.ask("POST", "/authentication/login", body=by_key, headers=headers)
    held["session by key"] = reply.body["token"]
    first = Attempt(world.application)
    given = (await world.form(first.redemption(await _code(world, first)))).body
    held["access token"], held["refresh token"] = given["access_token"], given["refresh_token"]
    held["authorization code"] = await _code(world, world.attempt)
    held["link"] = await _link(world, owner)
    held["Google's token"] = peerly.google_token(owner.email)


async def _hold_a_providers_token(world: World, idp: IdentityProvider) -> None:
    """Whose it is, each service finds out at its first sight of it."""
    path = f"/organisations/{world.company.id}/identity-providers"
    body = {"issuer": idp.address, "audience": AUDIENCE}
    await world.peerly.expect(201, "POST", path, token=world.company.admin.token, body=body)
    world.held["provider's token"] = token = idp.token(world.owner.email)

    async def is_known() -> bool:
        return set(await world.as_bearer(token)) == {200}

    await eventually(is_known, within=25)


async def _link(world: World, person: Member) -> str:
    path = f"/users/{person.id}/password-reset"
    made = await world.peerly.expect(201, "POST", path, token=world.company.admin.token)
    return str(made["link"]).rpartition("/")[2]


async def _code(world: World, attempt: Attempt) -> str:
    browser = Browser(world.peerly.session, world.peerly.url)
    return await browser.allow(attempt, world.owner.email, PASSWORD)
