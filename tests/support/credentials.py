"""Who hands out credentials of every kind to new people of a system of processes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp

from shared.identity import Role
from tests.support.api import Reply
from tests.support.identity_provider import IdentityProvider
from tests.support.oauth import REDIRECT_URI, Application, Attempt, Browser
from tests.support.processes import ADMIN_EMAIL, ADMIN_PASSWORD
from tests.support.sessions import Sessions

SCOPES = ["review:recognition", "view:core_value", "view:profile", "view:quota"]
PASSWORD, NEW_PASSWORD = "unrelated walrus teapot", "another unrelated walrus"
HOUR = 3600
NUMBERS = count(1)
Step = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Held:
    """What somebody holds, what ends it, and the status of the attempt to renew it where that is possible."""

    bearer: str
    end: Step
    renew: Callable[[], Awaitable[int]] | None = None


@dataclass(slots=True)
class Office:
    """Hands out credentials of one organisation, at auth's own port."""

    sessions: Sessions
    idp: IdentityProvider
    ids: dict[str, int] = field(default_factory=dict)

    async def ask(self, method: str, path: str, token: str | None = None, status: int = 200, **sent: Any) -> Reply:
        """An answer of auth, which has to have this status."""
        headers = {**sent.pop("headers", {}), **({} if token is None else {"Authorization": f"Bearer {token}"})}
        url = self.sessions.system.service_url("auth") + path
        async with self.sessions.http.request(method, url, headers=headers, **sent) as answer:
            reply = Reply(answer.status, answer.headers, await answer.read())
        assert reply.status == status, (method, path, reply.status, reply.raw)
        return reply

    async def somebody(self) -> str:
        """A new moderator, by name."""
        name = f"holder-{next(NUMBERS)}"
        self.ids[name] = await self.sessions.moderator(name)
        return name

    async def with_password(self) -> str:
        """The same with a local password."""
        name = await self.somebody()
        made = await self.ask("POST", f"/users/{self.ids[name]}/password-reset", self.sessions.admin, 201)
        path = f"/password-resets/{made.data['link'].rpartition('/')[2]}"
        await self.ask("POST", path, json={"password": PASSWORD})
        return name

    async def session(self, name: str) -> str:
        """By the local password."""
        return await self.sessions.log_in(self.sessions.email(name), PASSWORD)

    async def key(self, maker: str | None = None) -> Mapping[str, Any]:
        """An API key of the admin's, or of another maker's session."""
        body = {"name": "Program", "scopes": SCOPES, "expires_at": int(time.time()) + HOUR}
        return dict((await self.ask("POST", "/api-keys", maker or self.sessions.admin, 201, json=body)).data)

    async def keys_maker(self) -> tuple[str, Mapping[str, Any]]:
        """A new admin, by name, and a key of theirs."""
        name = await self.somebody()
        await self.give_role(name, Role.ORGANISATION_ADMIN)()
        return name, await self.key(await self.sessions.sign_in(name))

    async def session_by_key(self, key: str) -> str:
        body = {"userName": self.sessions.email(await self.with_password()), "password": PASSWORD}
        return str(
            (await self.ask("POST", "/authentication/login", json=body, headers={"X-Api-Key": key})).body["token"]
        )

    async def application(self) -> Application:
        body = {"name": "Thanks", "redirect_uris": [REDIRECT_URI], "scopes": SCOPES}
        return Application.of((await self.ask("POST", "/oauth/clients", self.sessions.admin, 201, json=body)).data)

    async def form(self, path: str, form: Mapping[str, str], status: int = 200) -> Any:
        return (await self.ask("POST", path, status=status, data=aiohttp.FormData(dict(form)))).body

    async def allowed(self, name: str, attempt: Attempt) -> dict[str, str]:
        """The form that redeems the code that somebody allowed."""
        browser = Browser(self.sessions.http, self.sessions.system.service_url("auth"))
        return attempt.redemption(await browser.allow(attempt, self.sessions.email(name), PASSWORD))

    def give_role(self, name: str, role: Role) -> Step:
        path = f"/users/{self.ids[name]}"
        return lambda: self.ask("PUT", path, self.sessions.admin, json={"role_id": int(role)})

    async def another(self) -> tuple[Office, Step]:
        """An organisation of its own, and its suspension."""
        office = Office(Sessions(self.sessions.system, self.sessions.http), self.idp)
        await office.sessions.begin()
        path = f"/organisations/{(await self.ask('GET', '/users/me', office.sessions.admin)).data['org_id']}"
        root = await self.sessions.log_in(ADMIN_EMAIL, ADMIN_PASSWORD)
        return office, lambda: self.ask("PATCH", path, root, json={"status": "SUSPENDED"})

    def leave(self, name: str) -> Step:
        return lambda: self.ask("DELETE", f"/users/{self.ids[name]}", self.sessions.admin)

    def sign_out(self, bearer: str) -> Step:
        return lambda: self.ask("POST", "/logout", bearer)
