"""A toy service over real HTTP and a real database: what every route gets from `shared.http`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from environs import Env

from shared.bus import InProcessBus
from shared.service import Service, listening, probes, started
from shared.settings import Settings
from tests.component.http.toy import ROUTES
from tests.support.api import SIGNER
from tests.support.databases import Build, ScratchDatabase, build_service

TOY = Service(
    name="quota",
    title="Toy",
    routes=ROUTES,
    handlers={},
    migrations=Path(__file__).parent / "migrations",
    read_settings=lambda env: Settings.read("quota", env),
)
Start = Callable[..., Awaitable[str]]

BUILD = partial(build_service, TOY)


@pytest.fixture
def template_builder() -> Build:
    return BUILD


@pytest.fixture
async def start(scratch: ScratchDatabase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    """Starts the toy with changed settings and gives its address."""
    monkeypatch.setenv("DATABASE_URL", scratch.url("quota"))
    bus = InProcessBus({})
    async with AsyncExitStack() as stack:

        async def begin(**changes: object) -> str:
            settings = replace(TOY.read_settings(Env()), rate_limits=False)
            changed = replace(settings, **changes)  # type: ignore[arg-type]
            running = await stack.enter_async_context(started(TOY, changed, bus, ["serve"]))
            running.context.verifier.use_keys([SIGNER.public])
            port = await stack.enter_async_context(listening([running], probes([running], bus), "127.0.0.1", 0))
            return f"http://127.0.0.1:{port}"

        yield begin


@pytest.fixture
async def client(start: Start) -> AsyncIterator[aiohttp.ClientSession]:
    """Speaks to the toy as an admin of organisation 1."""
    token = SIGNER.token(7, role=2)  # type: ignore[arg-type]
    async with aiohttp.ClientSession(await start(), headers={"Authorization": f"Bearer {token}"}) as session:
        yield session
