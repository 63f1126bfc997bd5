"""The transport of the embedded default: no broker, each subscriber's own tables are its queue."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from shared.bus.message import (
    Callback,
    Delivery,
    Keep,
    Message,
    Subscriptions,
    TogetherCallback,
    Unconfirmed,
    receives,
)

CALLBACK_SECONDS = 8.0
START_SECONDS = 2.0
TOGETHER = 32


@dataclass(slots=True)
class _Subscriber:
    """One service's end: whoever has the turn delivers what the others brought in the meantime too."""

    service: str
    callback: Callback | None = None
    together: TogetherCallback | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: deque[tuple[Delivery, asyncio.Future[None]]] = field(default_factory=deque)

    async def deliver(self, delivery: Delivery) -> None:
        """Returns when the event is in the subscriber's tables; raises `Unconfirmed`."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append((delivery, done))
        try:
            async with self.turn:
                while not done.done():
                    await self._deliver_waiting()
            done.result()
        finally:
            done.cancel()

    async def _deliver_waiting(self) -> None:
        taken = [self.waiting.popleft() for _ in range(min(len(self.waiting), TOGETHER))]
        wanted = [(delivery, done) for delivery, done in taken if not done.done()]
        try:
            async with asyncio.timeout(CALLBACK_SECONDS):
                await self._call([delivery for delivery, _ in wanted])
        except BaseException as error:
            self._settle(wanted, Unconfirmed(f"{self.service} could not keep the event: {error!r}"))
            if not isinstance(error, Exception):
                raise
        else:
            self._settle(wanted, None)

    def _settle(self, wanted: Sequence[tuple[Delivery, asyncio.Future[None]]], error: Unconfirmed | None) -> None:
        for _, done in wanted:
            if not done.done():
                done.set_result(None) if error is None else done.set_exception(error)

    async def _call(self, deliveries: Sequence[Delivery]) -> None:
        if self.callback is None:
            raise Unconfirmed(f"{self.service} is not consuming")
        if self.together is not None and len(deliveries) > 1:
            await self.together(deliveries)
            return
        for delivery in deliveries:
            await self.callback(delivery)


class InProcessBus:
    """Delivers within one process: `publish` returns when each subscriber has the event in its tables.

    A crash or failure between two subscribers leaves the row unsent, so that it is published again; the inbox of
    the first one drops it then.
    """

    def __init__(self, subscriptions: Subscriptions) -> None:
        self._subscriptions = subscriptions
        self._subscribers = {service: _Subscriber(service) for service in subscriptions}
        self._complete = asyncio.Event()
        if self.healthy():
            self._complete.set()

    async def connect(self) -> None:
        """Waits for the subscribers when the process starts; raises `Unconfirmed` when they do not come."""
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._complete.wait()
        except TimeoutError:
            raise Unconfirmed("not every subscriber is consuming") from None

    async def publish(self, message: Message) -> None:
        """Raises `Unconfirmed` when a subscriber is not there (yet) or could not keep the event."""
        delivery = Delivery(message.body, message.publisher)
        for service in self._subscriptions:
            if receives(self._subscriptions, service, message.routing_key):
                await self._subscribers[service].deliver(delivery)

    async def consume(
        self, service: str, callback: Callback, stop: asyncio.Event, together: TogetherCallback | None = None
    ) -> None:
        """Serves the service's part of every publish until `stop`; a delivery in progress ends first."""
        subscriber = self._subscribers[service]
        subscriber.callback, subscriber.together = callback, together
        if self.healthy():
            self._complete.set()
        try:
            await stop.wait()
        finally:
            subscriber.callback = None
        async with subscriber.turn:
            pass

    async def bury(self, service: str, body: bytes, reason: str) -> bool:
        """There is no dead queue here; the service's table takes it."""
        return False

    async def exhume(self, service: str, keep: Keep) -> int:
        """There is no dead queue here."""
        return 0

    def healthy(self) -> bool:
        """Whether every subscriber is there."""
        return all(subscriber.callback is not None for subscriber in self._subscribers.values())

    async def close(self) -> None:
        """Nothing to end."""
