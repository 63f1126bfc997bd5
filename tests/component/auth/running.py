"""Auth on a port with the people of its world, for a test or for a whole file of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

import aiohttp
import asyncpg
from environs import Env

from services.auth.app import HANDLERS, SERVICE
from shared.bus import InProcessBus
from shared.consumer import subscribed
from shared.service import listening, probes, started, working
from tests.component.auth.world import SECRET, MovableClock, World
from tests.support.databases import build_service
from tests.support.google import Google

BUILD = partial(build_service, SERVICE)


def environment_of(its_google: Google, inside: str = "on") -> dict[str, str]:
    """What auth is told but for its database; `inside`: whether identity providers may be on this machine."""
    return {
        "PEERLY_SECRET": SECRET,
        "PEERLY_PROVIDERS_INTERNAL": inside,
        "PEERLY_TRUSTED_PROXIES": "127.0.0.1",
        "PEERLY_PUBLIC_URL": "https://peerly.test/",
        **its_google.environment,
    }


@asynccontextmanager
async def running_world(its_google: Google, owner: asyncpg.Connection[asyncpg.Record]) -> AsyncIterator[World]:
    """The service as the environment says, and everybody in it."""
    clock = MovableClock()
    bus = InProcessBus({"auth": subscribed(HANDLERS)})
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(started(SERVICE, SERVICE.read_settings(Env()), bus, clock=clock))
        failed = asyncio.Event()
        await stack.enter_async_context(working([running], failed))
        port = await stack.enter_async_context(listening([running], probes([running], bus), "127.0.0.1", 0))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        world = World(running.context, session, f"http://127.0.0.1:{port}", its_google, clock, owner)
        await world.populate()
        yield world
        assert not failed.is_set()
