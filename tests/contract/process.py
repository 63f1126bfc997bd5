"""One station, or all of them over the in-process bus, as a real process that can be killed.

`python -m tests.contract.process AMQP_URL|- POISON SERVICE=DATABASE_URL...`: a handler that gets the subject POISON
ends the process.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack
from typing import Any

from shared.bus import Bus, InProcessBus
from shared.bus.rabbitmq import RabbitBus
from shared.consumer import Received
from shared.database import Connection, Database
from tests.contract.station import SUBSCRIPTIONS, Station, Time, remember


async def main(amqp_url: str, poison: str, *services: str) -> None:
    async def handle(tx: Connection, received: Received[Any]) -> None:
        if received.subject == poison:
            os._exit(70)
        await remember(tx, received)

    bus: Bus = InProcessBus(SUBSCRIPTIONS) if amqp_url == "-" else RabbitBus(amqp_url)
    async with AsyncExitStack() as stack:
        for service in services:
            name, _, url = service.partition("=")
            database = await Database.connect(url, schema=name)
            stack.push_async_callback(database.close)
            station = Station(name, database, Time(), handle)
            station.start(bus)
            stack.push_async_callback(station.crash)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
