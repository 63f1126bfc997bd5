"""Tokens of organisations' identity providers in each of four services, which run as processes behind nginx."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
import pytest_asyncio

from services.processes import Processes
from tests.support import identity_provider
from tests.support.api import Reply
from tests.support.identity_provider import IdentityProvider
from tests.support.ports import free_port
from tests.support.processes import ADMIN_EMAIL, ADMIN_PASSWORD, running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.story import PASSWORD, Story
from tests.support.waiting import eventually

pytestmark = pytest.mark.alone

ROUTES = {"auth": "/users/me", "recognition": "/core_values", "quota": "/quota/me", "moderation": "/moderation/cases"}
EVERYWHERE, NOWHERE = dict.fromkeys(ROUTES, 200), dict.fromkeys(ROUTES, 401)
_audiences = itertools.count(1)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def system(
    postgres: Postgres, rabbitmq: Rabbitmq, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Processes]:
    inside = {"PEERLY_PROVIDERS_INTERNAL": "on"}
    async with running_system(postgres, rabbitmq, tmp_path_factory.mktemp("system"), inside) as running:
        yield running


@dataclass(slots=True)
class World:
    """The installation, an organisation in it, and its identity provider."""

    story: Story
    idp: IdentityProvider
    audience: str

    @property
    def domain(self) -> str:
        return self.story.people["judge"].email.partition("@")[2]

    def token(self, who: str, **options: Any) -> str:
        """Of somebody of the organisation, or of an address."""
        email = who if "@" in who else f"{who}@{self.domain}"
        return self.idp.token(email, **{"aud": self.audience, **options})

    async def ask(self, token: str, path: str, method: str = "GET", body: Any = None) -> Reply:
        headers = {"Authorization": f"Bearer {token}"}
        async with self.story.session.request(method, self.story.url + path, json=body, headers=headers) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def statuses(self, token: str) -> dict[str, int]:
        """What each service says to a token."""
        replies = await asyncio.gather(*(self.ask(token, path) for path in ROUTES.values()))
        assert all(reply.status != 503 or reply.headers["Retry-After"] == "1" for reply in replies)
        return dict(zip(ROUTES, (reply.status for reply in replies), strict=True))

    async def settled(self, token: str) -> dict[str, int]:
        """The same, when none of them says any more that the caller is to come again."""

        async def ask() -> dict[str, int]:
            statuses = await self.statuses(token)
            assert 503 not in statuses.values()
            return statuses

        return await eventually(ask, within=25, every=0.2)

    async def become(self, token: str, expected: Mapping[str, int], within: float) -> None:
        async def check() -> None:
            assert await self.statuses(token) == expected

        await eventually(check, within=within, every=0.05)

    async def trust(self, issuer: str, audience: str, **more: Any) -> Any:
        """As the organisation's admin does it."""
        path = f"/organisations/{self.story.org_id}/identity-providers"
        body = {"issuer": issuer, "audience": audience, **more}
        reply = await self.ask(self.story.people["boss"].token, path, "POST", body)
        assert reply.status == 201, reply.body
        return reply.data

    async def person(self, name: str) -> int:
        """The id of a new employee who has come in with a token."""
        token = self.token(name)
        statuses = await self.settled(token)
        assert statuses == {**EVERYWHERE, "moderation": 403}, statuses
        return int((await self.ask(token, "/users/me")).data["id"])


@pytest_asyncio.fixture(loop_scope="session")
async def world(system: Processes) -> AsyncIterator[World]:
    timeout = aiohttp.ClientTimeout(total=15)
    async with aiohttp.ClientSession(timeout=timeout) as session, identity_provider.serving() as idp:
        story = Story(system.url, session, ADMIN_EMAIL, ADMIN_PASSWORD)
        await story.begin()
        made = World(story, idp, f"audience-{next(_audiences)}")
        assert (await made.trust(idp.address, made.audience))["state"] == "ready"
        yield made


@asynccontextmanager
async def mock_provider() -> AsyncIterator[str]:
    """A provider that others have made, as a process; its address."""
    port = free_port()
    command = ("-m", "oidc_provider_mock", "--port", str(port), "--host", "127.0.0.1")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *command, env={**os.environ, "PYTHONWARNINGS": "ignore"}, stderr=asyncio.subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as session:

            async def is_up() -> bool:
                try:
                    async with session.get(f"{address}/jwks") as answer:
                        return answer.status == 200
                except aiohttp.ClientConnectionError:
                    return False

            await eventually(is_up, within=20)
        yield address
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def signed_in_at(provider: str, client_id: str, subject: str, claims: Mapping[str, Any]) -> str:
    """The ID token that an application gets when somebody signs in at the provider."""
    redirect = "http://127.0.0.1/callback"
    asked = {"client_id": client_id, "redirect_uri": redirect, "response_type": "code", "scope": "openid email profile"}
    async with aiohttp.ClientSession() as session:
        async with session.put(f"{provider}/users/{subject}", json=dict(claims)) as answer:
            assert answer.status < 300, await answer.text()
        url = f"{provider}/oauth2/authorize"
        async with session.post(url, params=asked, data={"sub": subject}, allow_redirects=False) as answer:
            code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect}
        who = {"Authorization": aiohttp.encode_basic_auth(client_id, "a secret that it does not look at")}
        async with session.post(f"{provider}/oauth2/token", data=form, headers=who) as answer:
            return str((await answer.json())["id_token"])


async def test_tm4_who_signed_in_at_another_makers_provider_is_let_in_everywhere(world: World) -> None:
    """Discovery, keys and tokens as oidc-provider-mock makes them: without a kid, the audience in a list."""
    async with mock_provider() as provider:
        added = await world.trust(provider, "their-application")
        assert (added["state"], len(added["key_ids"])) == ("ready", 1)
        claims = {"email": f"grace@{world.domain}", "email_verified": True, "name": "Grace Hopper"}
        token = await signed_in_at(provider, "their-application", "grace", claims)
        assert await world.settled(token) == {**EVERYWHERE, "moderation": 403}
        me = (await world.ask(token, "/users/me")).data
        assert (me["display_name"], me["role_id"], me["org_id"]) == ("Grace Hopper", 3, world.story.org_id)
        thanks = {"given_for": world.story.people["ben"].id, "core_value_id": world.story.value_id, "text": "Thank you"}
        assert (await world.ask(token, "/recognitions", "POST", thanks)).status == 201
        other = await signed_in_at(provider, "another-application", "grace", claims)
        unverified = await signed_in_at(provider, "their-application", "eve", {**claims, "email_verified": False})
        for refused in (other, unverified):
            assert await world.settled(refused) == NOWHERE


async def test_tm4_people_who_are_known_have_their_roles_everywhere(world: World) -> None:
    assert await world.settled(world.token("judge")) == EVERYWHERE
    me = (await world.ask(world.token("judge"), "/users/me")).data
    assert me["id"] == world.story.people["judge"].id


async def test_tm4_a_first_token_may_come_to_any_service(world: World) -> None:
    for service, path in ROUTES.items():
        token = world.token(f"first-at-{service}")

        async def is_known(token: str = token, path: str = path) -> bool:
            return (await world.ask(token, path)).status in {200, 403}

        await eventually(is_known, within=10, every=0.2)
        assert await world.settled(token) == {**EVERYWHERE, "moderation": 403}


async def test_tm4_a_rotated_key_is_found_and_the_old_one_forgotten(world: World) -> None:
    old = world.token("judge")
    assert await world.settled(old) == EVERYWHERE
    world.idp.rotate("second", "RS256")
    assert await world.settled(world.token("judge")) == EVERYWHERE
    # Each service asks, and auth looks, ten seconds after the last time.
    await world.become(old, NOWHERE, within=25)


async def test_tm4_keys_that_nobody_has_are_refused_after_one_look(world: World) -> None:
    world.idp.keys["stranger"] = ("EdDSA", identity_provider.MAKE["EdDSA"]())
    tokens = [world.token("judge", kid="stranger", header={"kid": f"unknown-{number}"}) for number in range(10)]
    del world.idp.keys["stranger"]
    before = len(world.idp.asked)
    for token in tokens:
        assert set((await world.statuses(token)).values()) == {503}
    for token in tokens:
        assert await world.settled(token) == NOWHERE
    # Four services ask at most every ten seconds each, and auth looks at most every ten seconds.
    assert len(world.idp.asked) - before <= 6


def _tricks(domain: str, audience: str) -> dict[str, dict[str, Any]]:
    addresses = [
        f"x@evil-{domain}", f"x@{domain}.evil.example", f"x@sub.{domain}", f"x@{domain[:-1]}", f"x@{domain}t",
        f"x@{domain.replace('o', chr(0x43E))}", f"x@{domain.replace('.', chr(0x3002))}", f"x@{domain}.", f"x@.{domain}",
        f"x@{domain.replace('t', chr(0xFF54))}", f"x@evil.example@{domain}", f'"x@evil.example"@{domain}', f"@{domain}",
        f"x y@{domain}", f"x@{domain}\n", f"x@{domain},evil.example", f"<x@{domain}>", domain, "x@", ADMIN_EMAIL,
        f"x@{domain}%00.evil.example", f"x@{re.sub('s', chr(0x17F), domain)}",
    ]  # fmt: skip
    now = int(time.time())
    return {
        **{repr(address): {"email": address} for address in addresses},
        "another audience": {"aud": "another"},
        "audiences besides": {"aud": [audience, "another"]},
        "another issuer": {"iss": "https://accounts.google.com"},
        "unverified": {"email_verified": False},
        "no word on verification": {"email_verified": None},
        "expired": {"exp": now - 60},
        "of the future": {"iat": now + 300},
        "no subject": {"sub": None},
    }


async def test_tm4_tricks_open_no_service(world: World) -> None:
    assert await world.settled(world.token("judge")) == EVERYWHERE
    for what, changes in _tricks(world.domain, world.audience).items():
        assert await world.statuses(world.token("judge", **changes)) == NOWHERE, what


async def test_tm4_another_subject_with_the_same_address_is_somebody_else(world: World) -> None:
    assert await world.settled(world.token("judge")) == EVERYWHERE
    assert await world.settled(world.token("judge", sub="a new account")) == NOWHERE
    assert await world.statuses(world.token("judge")) == EVERYWHERE


async def test_tm4_who_leaves_is_refused_everywhere_within_a_second(world: World) -> None:
    leaver = await world.person("leaver")
    token = world.token("leaver")
    assert 401 not in (await world.settled(token)).values()
    removed = await world.ask(world.story.people["boss"].token, f"/users/{leaver}", "DELETE")
    assert removed.status == 200
    await world.become(token, NOWHERE, within=1)


async def test_tm4_a_token_that_signed_out_is_refused_everywhere_and_no_other(world: World) -> None:
    token, other = world.token("judge", jti="one"), world.token("judge", jti="other")
    assert await world.settled(token) == await world.settled(other) == EVERYWHERE
    assert (await world.ask(token, "/logout", "POST")).status == 200
    await world.become(token, NOWHERE, within=1)
    assert await world.statuses(other) == EVERYWHERE


async def test_tm4_roles_and_passwords_change_without_another_token(world: World) -> None:
    """Both end what Peerly has issued; the provider's token holds on, with the role of the day."""
    token, employee = world.token("cyd"), {**EVERYWHERE, "moderation": 403}
    assert await world.settled(token) == employee
    cyd, boss = world.story.people["cyd"], world.story.people["boss"]
    changed = await world.ask(
        cyd.token, "/users/me/password", "PUT", {"current": PASSWORD, "new": "quite another walrus teapot"}
    )
    assert changed.status == 200
    await world.become(cyd.token, NOWHERE, within=1)
    await world.become(token, employee, within=1)
    assert (await world.ask(boss.token, f"/users/{cyd.id}", "PUT", {"role_id": 4})).status == 200
    await world.become(token, EVERYWHERE, within=1)


async def test_tm4_a_provider_that_hangs_ends_no_token_with_a_known_key(world: World) -> None:
    known = world.token("judge")
    assert await world.settled(known) == EVERYWHERE
    world.idp.instead = world.idp.hangs
    world.idp.rotate("second")
    fresh, until = world.token("judge"), time.monotonic() + 5
    while time.monotonic() < until:
        assert set((await world.statuses(fresh)).values()) == {503}
        assert await world.statuses(known) == EVERYWHERE
        await asyncio.sleep(0.2)
    world.idp.instead = None
    assert await world.settled(fresh) == EVERYWHERE


@pytest.mark.fault
async def test_tm4_known_keys_verify_while_auth_is_away(world: World, system: Processes) -> None:
    """Also in services that start meanwhile: what they need is in their own tables."""
    known, fresh = world.token("judge"), world.token("judge", jti="never seen")
    assert await world.settled(known) == EVERYWHERE
    system.kill("auth", hold=True)
    try:
        for service in ("recognition", "quota", "moderation"):
            assert (await world.ask(known, ROUTES[service])).status == 200
            assert (await world.ask(fresh, ROUTES[service])).status == 200
            stranger = await world.ask(world.token("nobody-yet"), ROUTES[service])
            assert stranger.status == 503
        await system.stop("quota")
        await system.start("quota")
        assert (await world.ask(world.token("judge", jti="later"), ROUTES["quota"])).status == 200
    finally:
        await system.start("auth")
    assert await world.settled(world.token("nobody-yet")) == {**EVERYWHERE, "moderation": 403}
