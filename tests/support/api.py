"""One service over HTTP, asked by callers whose tokens it trusts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import aiohttp
import orjson
from environs import Env

from shared.bus import InProcessBus
from shared.clock import Clock
from shared.identity import Role
from shared.service import Service, listening, probes, started
from tests.support.tokens import Signer

ACME, GLOBEX = 1, 2
SIGNER = Signer()


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody of whom the service may or may not have heard."""

    user_id: int
    role: Role = Role.EMPLOYEE
    org_id: int | None = ACME

    @property
    def token(self) -> str:
        return _token_of(self)


@cache
def _token_of(caller: Caller) -> str:
    return SIGNER.token(caller.user_id, caller.role, caller.org_id)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return orjson.loads(self.raw) if self.raw else None

    @property
    def data(self) -> Any:
        assert self.status < 300, (self.status, self.body)
        return self.body["data"]

    @property
    def meta(self) -> Any:
        return self.body["meta"]

    @property
    def error(self) -> Any:
        assert self.status >= 400, (self.status, self.body)
        return self.body["error"]

    @property
    def code(self) -> tuple[int, str]:
        return self.status, self.error["code"]


@dataclass(frozen=True, slots=True)
class ServiceApi:
    """The service at an address; a header is named as an argument, with `_` for `-`."""

    session: aiohttp.ClientSession
    address: str

    async def ask(self, caller: Caller | None, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if caller is not None:
            sent["Authorization"] = f"Bearer {caller.token}"
        async with self.session.request(method, self.address + path, json=body, headers=sent) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def get(self, caller: Caller | None, path: str, **headers: str) -> Reply:
        return await self.ask(caller, "GET", path, **headers)

    async def patiently(self, caller: Caller, method: str, path: str, body: Any = None) -> Reply:
        """One of a crowd: asks again, as a client does, when others hold what it needs for too long."""
        reply = await self.ask(caller, method, path, body)
        while reply.status == 503:
            await asyncio.sleep(float(reply.headers["Retry-After"]))
            reply = await self.ask(caller, method, path, body)
        return reply


@asynccontextmanager
async def serving(service: Service, clock: Clock | None = None) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """Runs the part of a service that answers, as the environment says: a session and the address."""
    bus = InProcessBus({})
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(started(service, service.read_settings(Env()), bus, ["serve"]))
        running.context.clock = clock or running.context.clock
        running.context.verifier.use_keys([SIGNER.public])
        port = await stack.enter_async_context(listening([running], probes([running], bus), "127.0.0.1", 0))
        yield await stack.enter_async_context(aiohttp.ClientSession()), f"http://127.0.0.1:{port}"
