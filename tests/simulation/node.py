"""One service: its database for good, and the relay and the consumer of its present process."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

from shared.clock import Clock
from shared.consumer import Consumer
from shared.database import Connection
from shared.envelope import Received
from shared.inbox import Handler
from shared.relay import Relay
from shared.service import Service
from tests.simulation.bus import SimulatedBus
from tests.simulation.database import Crash, CrashPoints, Effects, SimulatedDatabase

HEADS_EVERY = timedelta(minutes=5)
"""Heads are most of what relays say where nothing happens, so they say it seldom."""


class Node:
    """One service in a world."""

    def __init__(
        self, service: Service, database: SimulatedDatabase, bus: SimulatedBus, points: CrashPoints, clock: Clock
    ) -> None:
        self.name = service.name
        self.database = database
        self.clock = clock
        self.effects = database.wire.effects = Effects()
        database.wire.clock = clock
        self._bus = bus
        self._points = points
        self._handlers = {event: noting(handler, self.effects) for event, handler in service.handlers.items()}
        self.start()

    def start(self) -> None:
        """A new process, which knows what is in the tables and nothing else."""
        self.relay = Relay(self.database, self._bus, self.name, self.clock, head_every=HEADS_EVERY)
        self.consumer = Consumer(self.database, self._bus, self.name, self._handlers, self.clock)

    async def survives(self, work: Awaitable[Any]) -> bool:
        """Works until the end or until the process ends; a new one starts then."""
        try:
            await work
        except Crash:
            await self.database.wire.abandon()
            self.start()
            return False
        finally:
            self._points.disarm()
        return True


def noting(handler: Handler, effects: Effects) -> Handler:
    """The shipped handler, and a note of what it handled."""

    async def handle(tx: Connection, received: Received[Any]) -> None:
        await handler(tx, received)
        effects.handled(received.id)

    return handle
