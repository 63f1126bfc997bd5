"""A transport in memory that loses, doubles and reorders as a schedule says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from services.catalogue import SUBSCRIPTIONS
from shared.bus.message import Callback, Delivery, Keep, Message, TogetherCallback, Unconfirmed, receives
from shared.contracts.event import EVENTS
from shared.contracts.platform import OutboxHead
from tests.simulation.database import CrashPoints

INTERESTED = {
    (publisher, service)
    for service, types in SUBSCRIPTIONS.items()
    for publisher in {EVENTS[wire_type].PUBLISHER for wire_type in types}
}
"""Which services handle something of a publisher: to the others its `OutboxHead` says nothing."""


@dataclass(slots=True)
class Silence:
    """After so many more messages one is not confirmed, whether it arrived or not."""

    after: int
    arrives: bool


@dataclass(slots=True)
class SimulatedBus:
    points: CrashPoints
    queues: dict[str, list[Delivery]] = field(default_factory=lambda: {service: [] for service in SUBSCRIPTIONS})
    past: dict[str, list[Delivery]] = field(default_factory=lambda: {service: [] for service in SUBSCRIPTIONS})
    silence: Silence | None = None
    _heads: dict[tuple[str, str], Delivery] = field(default_factory=dict)

    async def connect(self) -> None:
        """The broker is always reachable; that it is not is what `silence` plays."""

    async def publish(self, message: Message) -> None:
        self.points.reach()
        if self.silence is not None and self.silence.after == 0:
            arrives, self.silence = self.silence.arrives, None
            if arrives:
                self._deliver(message)
            raise Unconfirmed("the schedule says so")
        if self.silence is not None:
            self.silence.after -= 1
        self._deliver(message)
        self.points.reach()

    def _deliver(self, message: Message) -> None:
        for service in SUBSCRIPTIONS:
            if not receives(SUBSCRIPTIONS, service, message.routing_key):
                continue
            if message.routing_key == OutboxHead.TYPE:
                self._deliver_head(message, service)
            else:
                self.queues[service].append(Delivery(message.body, message.publisher))

    def _deliver_head(self, message: Message, service: str) -> None:
        """To who handles something of this publisher; an older one that still waits is lost, which costs nothing."""
        if (message.publisher, service) not in INTERESTED:
            return
        waiting = self._heads.pop((message.publisher, service), None)
        queue = self.queues[service]
        queue[:] = [delivery for delivery in queue if delivery is not waiting]
        head = self._heads[message.publisher, service] = Delivery(message.body, message.publisher)
        queue.append(head)

    def take(self, service: str, places: Iterable[int]) -> list[Delivery]:
        """The messages at these places: each is gone from the queue when it is acknowledged."""
        queue = self.queues[service]
        return [queue[place] for place in places]

    def acknowledge(self, service: str, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            _remove(self.queues[service], delivery)
            self.past[service].append(delivery)

    def give_back(self, service: str, deliveries: Iterable[Delivery]) -> None:
        """The consumer died with them: they come again, and are counted."""
        for delivery in deliveries:
            queue = self.queues[service]
            queue[_place(queue, delivery)] = replace(delivery, attempts=delivery.attempts + 1)

    def wipe(self) -> int:
        """All that is under way is gone; how much that was."""
        lost = sum(len(queue) for queue in self.queues.values())
        for queue in self.queues.values():
            queue.clear()
        return lost

    @property
    def empty(self) -> bool:
        return not any(self.queues.values())

    async def consume(
        self, service: str, callback: Callback, stop: asyncio.Event, together: TogetherCallback | None = None
    ) -> None:
        raise NotImplementedError("the schedule hands over the messages")

    async def bury(self, service: str, body: bytes, reason: str) -> bool:
        return False

    async def exhume(self, service: str, keep: Keep) -> int:
        return 0

    def healthy(self) -> bool:
        return True

    async def close(self) -> None:
        """Nothing to end."""


def _place(queue: list[Delivery], wanted: Delivery) -> int:
    return next(place for place, delivery in enumerate(queue) if delivery is wanted)


def _remove(queue: list[Delivery], wanted: Delivery) -> None:
    del queue[_place(queue, wanted)]
