"""Readiness asks what this process needs, and no more."""

from __future__ import annotations

from contextlib import AsyncExitStack

import aiohttp
import pytest
from environs import Env

from shared.bus.rabbitmq import RabbitBus
from shared.service import PARTS, listening, probes, started
from tests.component.http.conftest import TOY
from tests.support.api import SIGNER
from tests.support.databases import ScratchDatabase
from tests.support.ports import free_port


@pytest.mark.parametrize(("parts", "status"), [(["serve"], 200), (PARTS, 503)], ids=["serves", "all"])
async def test_a_process_that_only_serves_needs_no_broker(
    scratch: ScratchDatabase, monkeypatch: pytest.MonkeyPatch, parts: list[str], status: int
) -> None:
    monkeypatch.setenv("DATABASE_URL", scratch.url("quota"))
    bus = RabbitBus(f"amqp://guest:guest@127.0.0.1:{free_port()}/")
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(started(TOY, TOY.read_settings(Env()), bus, parts))
        running.context.verifier.use_keys([SIGNER.public])
        port = await stack.enter_async_context(listening([running], probes([running], bus), "127.0.0.1", 0))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
            assert answer.status == status
