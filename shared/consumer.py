"""Takes events from the transport to a service's handlers, and looks after what is parked and what is missing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from itertools import groupby
from typing import cast
from uuid import UUID

from shared.bus.message import CONTROL, Bus, Delivery
from shared.clock import Clock
from shared.contracts import Event
from shared.contracts.platform import EventsRequested, OutboxHead
from shared.database import Database
from shared.envelope import Received, Undecodable, unseal
from shared.inbox import FORGED, DatabaseAway, Handler, Handlers
from shared.replay import control_message, enqueue, note_heads, overdue
from shared.telemetry import EVENTS_HANDLED, GAP_SECONDS, PARKED, log
from shared.together import Together

__all__ = ["Consumer", "Handler", "Handlers", "Received", "subscribed"]

MAX_DELIVERIES = 5
RECONNECT_SECONDS = 1.0
LOOK_SECONDS = 1.0
SILENT_SECONDS = 30.0
ALONE_AFTER_FAILURE = 100
"""How many events go alone after some that went together failed."""
BATCH = 100
FOLLOWING = 100
"""How many parked events at most follow one that they have waited for, before another one has its turn."""

_DUE = "SELECT event_id, body FROM parked WHERE next_try_at <= $1 ORDER BY next_try_at, id LIMIT $2"
_RELEASED = "SELECT event_id, body FROM parked WHERE next_try_at = '-infinity' ORDER BY id LIMIT $1"
_WAITING = """
SELECT
    count(*) AS parked,
    count(*) FILTER (WHERE waits_for IS NOT NULL AND parked_at <= $1::timestamptz - $2::interval) AS overdue,
    min(waits_for) FILTER (WHERE parked_at <= $1::timestamptz - $2::interval) AS example,
    coalesce((SELECT extract(epoch FROM $1::timestamptz - min(missing_since)) FROM inbox_positions), 0)::float8 AS gap
FROM parked
"""


def subscribed(handlers: Handlers) -> frozenset[str]:
    """The wire types that these handlers are for."""
    return frozenset(event.TYPE for event in handlers)


class Consumer:
    """Hands a service's events to its handlers one at a time; `committed` is called after each one."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        service: str,
        handlers: Handlers,
        clock: Clock,
        *,
        committed: Callable[[], None] = lambda: None,
        poll_seconds: float = 0.25,
        patience: timedelta = timedelta(seconds=30),
    ) -> None:
        self._database = database
        self._bus = bus
        self._service = service
        self._types = subscribed(handlers)
        self._clock = clock
        self._committed = committed
        self._poll_seconds = poll_seconds
        self._patience = patience
        self._turn = asyncio.Lock()
        self._released = asyncio.Event()
        self._alone = 0
        self._silent_until: dict[str, float] = {}
        self._inbox = Together(database, handlers, clock, self._released.set)

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop`; the event in progress is finished and acknowledged."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._consume(stop))
            tasks.create_task(self._retry_parked(stop))
            tasks.create_task(self._watch(stop))

    async def _consume(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            with self._said_seldom("consuming pauses"):
                await self._database.fetch_value("SELECT 1")
                await self._bus.consume(self._service, self.receive, stop, self.receive_together)
            await _until(stop, RECONNECT_SECONDS)

    @contextmanager
    def _said_seldom(self, what: str) -> Iterator[None]:
        """Logs a failure and goes on."""
        try:
            yield
        except Exception as error:
            self._say_seldom(what, reason=repr(error))

    def _say_seldom(self, what: str, **details: object) -> None:
        """Logs it, unless the same was said a moment ago."""
        now = asyncio.get_running_loop().time()
        if now >= self._silent_until.get(what, now):
            self._silent_until[what] = now + SILENT_SECONDS
            log(what, level=logging.WARNING, error=None, service=self._service, **details)

    async def receive(self, delivery: Delivery) -> None:
        """Returns when the event is handled, parked, dead or known; raises `DatabaseAway` or `Unconfirmed`."""
        async with self._turn:
            await self._take(delivery)
        self._committed()

    async def receive_together(self, deliveries: Sequence[Delivery]) -> None:
        """The same for several, in their order: ordinary neighbours in one transaction when all goes well."""
        opened = [(delivery, self._ordinary(delivery)) for delivery in deliveries]
        async with self._turn:
            for are_ordinary, group in groupby(opened, lambda pair: pair[1] is not None):
                part = list(group)
                events = [received for _, received in part if received is not None]
                bodies = [delivery.body for delivery, _ in part]
                if not (are_ordinary and len(part) > 1 and await self._take_together(events, bodies)):
                    for delivery, _ in part:
                        await self._take(delivery)
        self._committed()

    def _ordinary(self, delivery: Delivery) -> Received[Event] | None:
        """An event that may share a transaction; none where it has to be looked at alone."""
        try:
            received = self._unseal(delivery)
        except Undecodable:
            return None
        return received if not delivery.attempts and received.type in self._types else None

    async def _take_together(self, events: Sequence[Received[Event]], bodies: Sequence[bytes]) -> bool:
        """Whether they were handled; where some fail, the next ones often do too, and go alone."""
        if self._alone > 0:
            self._alone -= len(events)
            return False
        kept = await self._inbox.handle_together(events, bodies)
        if kept is None:
            self._alone = ALONE_AFTER_FAILURE
            return False
        for received, how in zip(events, kept, strict=True):
            EVENTS_HANDLED.labels(self._service, received.type, how).inc()
        await self._follow()
        return True

    def _unseal(self, delivery: Delivery) -> Received[Event]:
        received = unseal(delivery.body)
        if received.publisher != delivery.publisher:
            raise Undecodable(f"{FORGED}{received.publisher}'s event came by way of {delivery.publisher}")
        return received

    async def _take(self, delivery: Delivery) -> None:
        await self._receive(delivery)
        await self._follow()

    async def _receive(self, delivery: Delivery) -> None:
        try:
            received = self._unseal(delivery)
        except Undecodable as error:
            await self._bury(delivery.body, str(error), None)
            return
        if delivery.attempts >= MAX_DELIVERIES:
            await self._bury(delivery.body, f"failed with its process {delivery.attempts} times", received)
        else:
            await self._dispatch(received, delivery.body)

    async def _bury(self, body: bytes, reason: str, received: Received[Event] | None) -> None:
        wire_type = received.type if received else "unknown"
        log("an event is dead", level=logging.ERROR, service=self._service, type=wire_type, reason=reason)
        EVENTS_HANDLED.labels(self._service, wire_type, "dead").inc()
        if not await self._bus.bury(self._service, body, reason):
            await self._inbox.bury(body, reason, received)
        elif received is not None:
            await self._inbox.note(received)

    async def _dispatch(self, received: Received[Event], body: bytes) -> None:
        if received.type in CONTROL:
            await self._control(received)
        elif received.type in self._types:
            await self._handle(received, body, from_parked=False)

    async def _control(self, received: Received[Event]) -> None:
        try:
            async with self._database.transaction() as tx:
                match received.event:
                    case OutboxHead():
                        await note_heads(tx, cast(Received[OutboxHead], received), self._types, self._clock())
                    case EventsRequested(publisher=self._service) as request:
                        await enqueue(tx, request)
        except Exception as error:
            raise DatabaseAway(f"{received.type} cannot be kept: {error!r}") from error

    async def _retry_parked(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            self._released.clear()
            busy = False
            with self._said_seldom("parked events are not tried"):
                busy = await self._retry_due()
            if not busy:
                await _until(stop, self._poll_seconds, self._released)

    async def _retry_due(self) -> bool:
        async with self._database.connection() as connection:
            rows = await connection.fetch(_DUE, self._clock(), BATCH)
        for row in rows:
            await self._retry(row["event_id"], row["body"])
        return bool(rows)

    async def _retry(self, event_id: UUID, body: bytes) -> None:
        async with self._turn:
            await self._try_parked(event_id, body)
            await self._follow()
        self._committed()

    async def _try_parked(self, event_id: UUID, body: bytes) -> None:
        try:
            received = unseal(body)
        except Undecodable as error:
            await self._inbox.bury_parked(event_id, body, str(error))
            return
        await self._handle(received, body, from_parked=True)

    async def _follow(self) -> None:
        """Handles what the last event has released before anything newer, which might have to wait for it in turn."""
        left = FOLLOWING
        with self._said_seldom("parked events are not tried"):
            while left and self._released.is_set():
                self._released.clear()
                async with self._database.connection() as connection:
                    rows = await connection.fetch(_RELEASED, left)
                for row in rows:
                    await self._try_parked(row["event_id"], row["body"])
                left -= len(rows)
        if not left:
            self._released.set()

    async def _handle(self, received: Received[Event], body: bytes, *, from_parked: bool) -> None:
        kept = await self._inbox.handle(received, body, from_parked=from_parked)
        EVENTS_HANDLED.labels(self._service, received.type, kept).inc()

    async def _watch(self, stop: asyncio.Event) -> None:
        while not await _until(stop, LOOK_SECONDS):
            with self._said_seldom("missing events are not asked for"):
                await self._ask_for_missing()
                await self._measure()

    async def _ask_for_missing(self) -> None:
        now = self._clock()
        async with self._database.transaction() as tx:
            requests = await overdue(tx, self._service, now, self._patience)
        for request in requests:
            log(
                "events are missing and asked for again",
                level=logging.WARNING,
                service=self._service,
                publisher=request.publisher,
                types=request.types,
                first=request.first,
            )
            await self._bus.publish(control_message(request, self._service, now))

    async def _measure(self) -> None:
        """Keeps the gauges, and says when events have waited for too long."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(_WAITING, self._clock(), self._patience)
        if row is None:
            return
        PARKED.labels(self._service).set(row["parked"])
        GAP_SECONDS.labels(self._service).set(row["gap"])
        if row["overdue"]:
            self._say_seldom("events wait for what has not arrived", events=row["overdue"], example=row["example"])


async def _until(stop: asyncio.Event, seconds: float, wake: asyncio.Event | None = None) -> bool:
    """Waits for the stop, another signal or the time, whichever is first; tells whether it was the stop."""
    signals = [asyncio.create_task(signal.wait()) for signal in (stop, wake) if signal is not None]
    try:
        await asyncio.wait(signals, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for signal in signals:
            signal.cancel()
    return stop.is_set()
