"""One service reduced to its messaging: its own schema, outbox, relay, inbox, consumer, and a table of effects."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from shared import outbox
from shared.backlog import Backlog, backlog
from shared.bus import Bus
from shared.consumer import Consumer, Received, subscribed
from shared.contracts import Event
from shared.contracts.recognition import RecognitionChanged, RecognitionDeleted
from shared.database import Connection, Database
from shared.inbox import Handler, Handlers
from shared.relay import Relay

PUBLISHER = "recognition"
SUBSCRIBERS = ("quota", "auth")
SERVICES = (PUBLISHER, *SUBSCRIBERS)
HANDLED = (RecognitionDeleted, RecognitionChanged)
SUBSCRIPTIONS = {
    PUBLISHER: frozenset[str](),
    **{name: frozenset(event.TYPE for event in HANDLED) for name in SUBSCRIBERS},
}


class Time:
    """The real time, which a test may move forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def skip(self, seconds: float) -> None:
        self.ahead += timedelta(seconds=seconds)


def changed(number: int, version: int = 1) -> RecognitionChanged:
    return RecognitionChanged(recognition_id=number, text=f"text {version}", version=version)


def deleted(number: int, version: int = 1) -> RecognitionDeleted:
    return RecognitionDeleted(recognition_id=number, deleted_by=7, deleted_at=1_700_000_000, version=version)


async def remember(tx: Connection, received: Received[Any]) -> None:
    """The plainest handler: one row an event."""
    await tx.execute(
        "INSERT INTO effects (event_id, subject, version) VALUES ($1, $2, $3)",
        received.id,
        received.subject,
        received.event.version,
    )


@dataclass
class Station:
    """Starts and stops; `handler` may be exchanged while it runs."""

    name: str
    database: Database
    time: Time
    handler: Handler = remember
    relay: Relay | None = None
    halt: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def handlers(self) -> Handlers:
        return dict.fromkeys(HANDLED, self._handle) if self.name in SUBSCRIBERS else {}

    async def _handle(self, tx: Connection, received: Received[Any]) -> None:
        await self.handler(tx, received)

    def start(self, bus: Bus, parts: Sequence[str] = ("relay", "consume")) -> None:
        self.halt = asyncio.Event()
        self.relay = Relay(self.database, bus, self.name, self.time, poll_seconds=0.05, head_every=timedelta(seconds=1))
        if "relay" in parts:
            self.tasks.append(asyncio.create_task(self.relay.run(self.halt)))
        if "consume" in parts:
            self.tasks.append(asyncio.create_task(self.consumer(bus).run(self.halt)))

    def consumer(self, bus: Bus) -> Consumer:
        handlers = self.handlers()
        assert subscribed(handlers) == SUBSCRIPTIONS[self.name]
        return Consumer(self.database, bus, self.name, handlers, self.time, poll_seconds=0.05)

    async def stop(self) -> None:
        self.halt.set()
        async with asyncio.timeout(15):
            await asyncio.gather(*self.tasks)
        self.tasks.clear()

    async def crash(self) -> None:
        """Ends at once, wherever it is."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.tasks.clear()

    async def record(self, *events: Event, org_id: int = 1) -> list[UUID]:
        async with self.database.transaction(org_id, request_id="test") as tx:
            ids = await outbox.append(tx, *events)
        if self.relay is not None:
            self.relay.wake()
        return ids

    async def effects(self) -> list[UUID]:
        """The ids of the events that took effect, in their order; one that did twice is there twice."""
        async with self.database.connection() as connection:
            return [row["event_id"] for row in await connection.fetch("SELECT event_id FROM effects ORDER BY place")]

    async def versions(self) -> dict[str, list[int]]:
        """Per subject the versions that took effect, in their order."""
        query = "SELECT subject, array_agg(version ORDER BY place) AS versions FROM effects GROUP BY subject"
        async with self.database.connection() as connection:
            return {row["subject"]: row["versions"] for row in await connection.fetch(query)}

    async def backlog(self) -> Backlog:
        return await backlog(self.database)

    async def at_rest(self) -> bool:
        return (await self.backlog()).empty

    async def value(self, query: str, *arguments: Any) -> Any:
        return await self.database.fetch_value(query, *arguments)


@dataclass
class Network:
    """All stations on one transport."""

    bus: Bus
    stations: dict[str, Station]
    time: Time
    database_url: str

    @property
    def publisher(self) -> Station:
        return self.stations[PUBLISHER]

    @property
    def subscribers(self) -> list[Station]:
        return [self.stations[name] for name in SUBSCRIBERS]

    async def administer(self, statement: str) -> None:
        """Something that no service may do itself."""
        admin = await asyncpg.connect(self.database_url)
        try:
            await admin.execute(statement)
        finally:
            await admin.close()

    def start(self) -> None:
        for station in self.stations.values():
            station.start(self.bus)

    async def stop(self) -> None:
        for station in self.stations.values():
            await station.stop()

    async def arrived(self, ids: Sequence[UUID]) -> bool:
        """Whether each subscriber has felt each event exactly once, and nothing is under way or stuck."""
        for station in self.subscribers:
            if sorted(await station.effects()) != sorted(ids) or not await station.at_rest():
                return False
        return await self.publisher.at_rest()
