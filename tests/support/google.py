"""A small Google: knows some access tokens, answers what they are good for and whose they are, and can misbehave.

`python google.py PORT` serves one that knows everybody to whoever can reach this machine or container.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

CLIENT_ID = "peerly-tests.apps.example"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class Google:
    """Its addresses, the tokens it knows by name, and what it does instead of answering.

    With `everybody`, any e-mail address is an access token of its owner.
    """

    everybody: bool = False
    address: str = ""
    tokens: dict[str, tuple[dict[str, Any], dict[str, Any]]] = field(default_factory=dict)
    asked: int = 0
    instead: Answer | None = None

    @property
    def environment(self) -> dict[str, str]:
        """How a process is told to ask this one."""
        return {
            "GOOGLE_CLIENT_ID": CLIENT_ID,
            "GOOGLE_TOKENINFO_URL": f"{self.address}/tokeninfo",
            "GOOGLE_USERINFO_URL": f"{self.address}/userinfo",
        }

    def knows(
        self,
        access_token: str,
        email: str,
        *,
        subject: str | None = None,
        token: dict[str, Any] | None = None,
        person: dict[str, Any] | None = None,
    ) -> str:
        """Gives somebody a token; `token` and `person` change what is told, a None leaves a name out."""
        subject = subject or f"sub-{email}"
        about_token = {
            "azp": CLIENT_ID,
            "aud": CLIENT_ID,
            "sub": subject,
            "scope": "openid email profile",
            "exp": str(int(time.time()) + 3600),
            "expires_in": "3599",
            "email": email,
            "email_verified": "true",
        }
        about_person = {
            "sub": subject,
            "name": "Grace Hopper",
            "given_name": "Grace",
            "family_name": "Hopper",
            "picture": "https://pictures.example/grace.png",
            "email": email,
            "email_verified": True,
        }
        self.tokens[access_token] = (_told(about_token, token), _told(about_person, person))
        return access_token

    def application(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/tokeninfo", self.tokeninfo)
        app.router.add_get("/userinfo", self.userinfo)
        return app

    async def tokeninfo(self, request: web.Request) -> web.StreamResponse:
        return await self._answer(request, request.query.get("access_token", ""), 0, 400)

    async def userinfo(self, request: web.Request) -> web.StreamResponse:
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return await self._answer(request, bearer, 1, 401)

    async def _answer(self, request: web.Request, access_token: str, which: int, refusal: int) -> web.StreamResponse:
        self.asked += 1
        if self.instead is not None:
            return await self.instead(request)
        if self.everybody and "@" in access_token:
            self.knows(access_token, access_token)
        if access_token not in self.tokens:
            return web.json_response({"error": "invalid_token"}, status=refusal)
        return web.json_response(self.tokens[access_token][which])

    async def hangs(self, _: web.Request) -> web.StreamResponse:
        """Never answers."""
        await asyncio.Event().wait()
        raise AssertionError

    async def drips(self, request: web.Request) -> web.StreamResponse:
        """Sends a byte now and then, for ever."""
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.1)

    async def floods(self, request: web.Request) -> web.StreamResponse:
        """Sends far more than any answer needs."""
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(64):
            await response.write(b" " * 65_536)
        return response


def _told(facts: dict[str, Any], changes: dict[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in {**facts, **(changes or {})}.items() if value is not None}


@asynccontextmanager
async def serving(*, everybody: bool = False) -> AsyncIterator[Google]:
    """A Google on a free port of this machine."""
    google = Google(everybody)
    runner = web.AppRunner(google.application(), shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        google.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield google
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    web.run_app(Google(everybody=True).application(), port=int(sys.argv[1]), print=None)
