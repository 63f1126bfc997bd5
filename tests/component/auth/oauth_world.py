"""What the OAuth tests do again and again in the auth service's world."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from tests.component.auth.world import PASSWORD, World
from tests.support.api import Reply
from tests.support.oauth import REDIRECT_URI, Application, Attempt, Browser, refreshing

SCOPES = ["create:recognition", "view:profile", "view:recognition"]
_browsers = itertools.count(1)


@dataclass(slots=True)
class OAuthWorld:
    """The world with a word for each step of OAuth."""

    world: World

    async def register(self, who: str = "ada", **changes: Any) -> Application:
        body = {"name": "Thanks & Co", "redirect_uris": [REDIRECT_URI], "scopes": SCOPES, **changes}
        reply = await self.world.post(who, "/oauth/clients", body)
        assert reply.status == 201, reply.raw
        return Application.of(reply.data)

    def browser(self) -> Browser:
        number = next(_browsers)
        return Browser(self.world.session, self.world.address, f"10.9.{number >> 8 & 255}.{number & 255}")

    async def code(self, attempt: Attempt, who: str = "emil", browser: Browser | None = None) -> str:
        return await (browser or self.browser()).allow(attempt, self.world.email_of(who), PASSWORD)

    async def form(self, path: str, form: dict[str, str], **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        url = URL(self.world.address + path)
        async with self.world.session.post(url, data=aiohttp.FormData(form), headers=sent) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def token(self, form: dict[str, str], **headers: str) -> Reply:
        return await self.form("/oauth/token", form, **headers)

    async def tokens(self, application: Application, who: str = "emil", **changes: str | None) -> dict[str, Any]:
        """The first tokens of somebody for an application."""
        attempt = Attempt(application, dict(changes))
        reply = await self.token(attempt.redemption(await self.code(attempt, who)))
        assert reply.status == 200, reply.raw
        return dict(reply.body)

    async def refresh(self, application: Application, token: str, **more: str) -> Reply:
        return await self.token({**refreshing(application, token), **more})

    async def works(self, token: str) -> bool:
        reply = await self.world.get(token, "/users/me")
        assert reply.status in {200, 401}, reply.raw
        return reply.status == 200

    async def refuses(self, reply: Reply, error: str = "invalid_grant", status: int = 400) -> None:
        assert (reply.status, reply.body["error"]) == (status, error), reply.raw
        assert set(reply.body) == {"error", "error_description"}
        assert reply.headers["Cache-Control"] == "no-store"
