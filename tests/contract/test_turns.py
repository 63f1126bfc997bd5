"""Several processes of one service: whose turn it is not yet waits for it, and nothing of that is a failure."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from shared import inbox
from shared.bus import InProcessBus
from shared.consumer import Received
from shared.database import Connection
from tests.contract.conftest import network_on
from tests.contract.station import SUBSCRIBERS, SUBSCRIPTIONS, Network, changed, deleted, remember
from tests.support.databases import ScratchDatabase
from tests.support.waiting import eventually

BUSY_SECONDS = 2.5


@asynccontextmanager
async def taken_turns(scratch: ScratchDatabase) -> AsyncIterator[None]:
    """Another process is in the middle of an event, in each service."""
    admin = await asyncpg.connect(scratch.admin_url)
    try:
        async with admin.transaction():
            for service in SUBSCRIBERS:
                await admin.execute(f"SET LOCAL search_path = {service}")
                await admin.execute("SELECT lock_inbox()")
            yield
    finally:
        await admin.close()


def assert_nothing_failed(caplog: pytest.LogCaptureFixture) -> None:
    assert [record.getMessage() for record in caplog.records if record.name != "asyncio"] == []


@pytest.mark.parametrize("events", [1, 20])
async def test_events_wait_while_another_process_is_at_work(
    scratch: ScratchDatabase, network: Network, caplog: pytest.LogCaptureFixture, events: int
) -> None:
    network.start()
    async with taken_turns(scratch):
        ids = await network.publisher.record(*(deleted(number) for number in range(events)))
        await asyncio.sleep(BUSY_SECONDS)
    await eventually(lambda: network.arrived(ids), within=30)
    assert_nothing_failed(caplog)
    await network.stop()


async def test_two_processes_whose_events_wait_for_one_another_do_not_lock_one_another_out(
    scratch: ScratchDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    async def next_version_only(tx: Connection, received: Received[Any]) -> None:
        version = received.event.version
        newest = await tx.fetchval("SELECT coalesce(max(version), 0) FROM effects WHERE subject = $1", received.subject)
        await asyncio.sleep(0.002)
        if version != newest + 1:
            raise inbox.MissingPrerequisite(f"{received.subject}/{version - 1}")
        await remember(tx, received)
        await inbox.arrived(tx, f"{received.subject}/{version}")

    async with (
        network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as one,
        network_on(scratch, InProcessBus(SUBSCRIPTIONS)) as other,
    ):
        events = [changed(number, version) for number in range(5) for version in range(1, 21)]
        random.Random(11).shuffle(events)
        for network in (one, other):
            for station in network.subscribers:
                station.handler = next_version_only
            network.start()
        ids = []
        for event in events:
            ids += await one.publisher.record(event)
        await eventually(lambda: one.arrived(ids), within=40)
        assert_nothing_failed(caplog)
        for network in (one, other):
            await network.stop()
