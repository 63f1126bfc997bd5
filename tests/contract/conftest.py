from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from aio_pika import connect

from shared.bus import Bus, InProcessBus
from shared.bus.rabbitmq import RabbitBus
from shared.bus.topology import declare, topology
from shared.database import Database
from shared.migrate import migrate, read
from tests.contract.station import SERVICES, SUBSCRIPTIONS, Network, Station, Time
from tests.support.databases import Build, ScratchDatabase

EFFECTS = """
CREATE TABLE {service}.effects (
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL,
    subject text NOT NULL,
    version bigint NOT NULL
);
GRANT SELECT, INSERT, TRUNCATE ON {service}.effects TO peerly_{service};
CREATE FUNCTION {service}.clear_read_models() RETURNS void LANGUAGE sql AS 'TRUNCATE {service}.effects';
"""

NewBus = Callable[[], Awaitable[Bus]]


async def build_messaging(admin_url: str) -> None:
    """Three services that are nothing but messaging, and a table that shows what their handlers did."""
    for service in SERVICES:
        await migrate(admin_url, service, read(Path("none"), ["messaging"]), password=None)
    admin = await asyncpg.connect(admin_url)
    try:
        for service in SERVICES:
            await admin.execute(EFFECTS.format(service=service))
    finally:
        await admin.close()


@pytest.fixture
def template_builder() -> Build:
    return build_messaging


@pytest.fixture(params=["in-process", "rabbitmq"])
def new_bus(request: pytest.FixtureRequest) -> NewBus:
    made: NewBus = request.getfixturevalue("new_in_process_bus" if request.param == "in-process" else "new_rabbit_bus")
    return made


@pytest.fixture
def new_in_process_bus() -> NewBus:
    async def make() -> Bus:
        return InProcessBus(SUBSCRIPTIONS)

    return make


@pytest.fixture
async def new_rabbit_bus(amqp_url: str) -> AsyncIterator[NewBus]:
    await declare(amqp_url, SUBSCRIPTIONS)
    await purge(amqp_url)
    buses: list[RabbitBus] = []

    async def make() -> Bus:
        buses.append(RabbitBus(amqp_url))
        return buses[-1]

    yield make
    await asyncio.gather(*(bus.close() for bus in buses))


async def purge(amqp_url: str) -> None:
    """Where no virtual host of the test's own can be made, an earlier test may have left messages."""
    connection = await connect(amqp_url)
    channel = await connection.channel()
    for queue in topology(SUBSCRIPTIONS).queues:
        await (await channel.get_queue(queue.name, ensure=False)).purge()
    await connection.close()


@pytest.fixture
async def network(scratch: ScratchDatabase, new_bus: NewBus) -> AsyncIterator[Network]:
    async with network_on(scratch, await new_bus()) as made:
        yield made


@pytest.fixture
async def rabbit_network(scratch: ScratchDatabase, new_rabbit_bus: NewBus) -> AsyncIterator[Network]:
    async with network_on(scratch, await new_rabbit_bus()) as made:
        yield made


@asynccontextmanager
async def network_on(scratch: ScratchDatabase, bus: Bus) -> AsyncIterator[Network]:
    time = Time()
    async with AsyncExitStack() as stack:
        stations = {}
        for service in SERVICES:
            database = await Database.connect(scratch.url(service), schema=service)
            stack.push_async_callback(database.close)
            stations[service] = Station(service, database, time)
            stack.push_async_callback(stations[service].crash)
        yield Network(bus, stations, time, scratch.admin_url)
