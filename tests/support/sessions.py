"""Sessions at each service of a system of processes: people sign in, their tokens are shown to all four services."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any

import aiohttp

from deploy.broker import SERVICES
from services.processes import Processes
from shared.identity import Role
from tests.support.processes import ADMIN_EMAIL, ADMIN_PASSWORD

ROUTES = {"auth": "/users/me", "recognition": "/core_values", "quota": "/quota/me", "moderation": "/moderation/cases"}
"""What each service shows to a moderator of whom it may not have heard yet."""


@dataclass(slots=True)
class Sessions:
    """One organisation, asked at the services' own ports: the gateway decides nothing about tokens."""

    system: Processes
    http: aiohttp.ClientSession
    domain: str = ""
    admin: str = ""

    async def ask(self, service: str, method: str, path: str, token: str | None = None, body: Any = None) -> Any:
        """Status and body of one request."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = self.system.service_url(service) + path
        async with self.http.request(method, url, json=body, headers=headers) as answer:
            return answer.status, await answer.json()

    async def done(self, method: str, path: str, token: str | None = None, body: Any = None, status: int = 200) -> Any:
        """The data of auth's answer, which has to have this status."""
        given, answer = await self.ask("auth", method, path, token, body)
        assert given == status, (method, path, given, answer)
        return answer["data"]

    async def begin(self) -> None:
        """The organisation and its admin."""
        self.domain = f"sessions-{secrets.token_hex(4)}.test"
        root = await self.log_in(ADMIN_EMAIL, ADMIN_PASSWORD)
        asked = {
            "name": self.domain, "domain_names": [self.domain], "contact_email": f"office@{self.domain}",
            "hi5_limit": 5, "hi5_quota_renewal_frequency": "QUARTERLY", "timezone": "Europe/Berlin",
        }  # fmt: skip
        await self.done("POST", "/organisations", root, asked, 201)
        token = await self.sign_in("admin")
        await self._make(Role.ORGANISATION_ADMIN, token, root)
        self.admin = await self.sign_in("admin")

    async def sign_in(self, name: str) -> str:
        """A fresh token of Google's, who knows everybody here."""
        return str((await self.done("POST", "/oauth/google", body={"access_token": self.email(name)}))["token"])

    async def log_in(self, username: str, password: str) -> str:
        """A fresh token for a local password."""
        asked = {"username": username, "password": password}
        return str((await self.done("POST", "/login", body=asked))["token"])

    async def moderator(self, name: str) -> int:
        """Somebody new whom every service serves; gives the id."""
        return await self._make(Role.MODERATOR, await self.sign_in(name), self.admin)

    async def _make(self, role: Role, token: str, by: str) -> int:
        user_id = int((await self.done("GET", "/users/me", token))["id"])
        await self.done("PUT", f"/users/{user_id}", by, {"role_id": int(role)})
        return user_id

    def email(self, name: str) -> str:
        """Whose address this is."""
        return f"{name}@{self.domain}"

    async def status(self, service: str, token: str) -> int:
        """What one service answers to the token."""
        return int((await self.ask(service, "GET", ROUTES[service], token))[0])

    async def statuses(self, token: str) -> dict[str, int]:
        """What each service that runs answers to the token."""
        running = [service for service in SERVICES if service in self.system.pids]
        answers = await asyncio.gather(*(self.status(service, token) for service in running))
        return dict(zip(running, answers, strict=True))
