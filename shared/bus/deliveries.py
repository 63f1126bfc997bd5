"""Takes messages from one RabbitMQ queue in their order, each acknowledged when it is safe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue

from shared.bus.message import Callback, Delivery, Disconnected, TogetherCallback
from shared.failpoints import failpoint

CAREFUL_PREFETCH = 1
FULL_PREFETCH = 32
CLEAN_COMMITS = 50
BROKER_SECONDS = 5.0
PROBE_SECONDS = 5.0
PATIENCE_SECONDS = 30.0
RETRY_SECONDS = 0.5
EXCHANGE_PREFIX = "peerly."

T = TypeVar("T")


@dataclass(slots=True)
class Trust:
    """How many messages may be under way: one at first, so that a message that kills the process dies alone."""

    clean: int = 0

    @property
    def prefetch(self) -> int:
        """For the next subscription."""
        return FULL_PREFETCH if self.clean >= CLEAN_COMMITS else CAREFUL_PREFETCH

    def passed(self, *, redelivered: bool) -> None:
        """One message was handled; one that came again earns no trust."""
        self.clean = 0 if redelivered else self.clean + 1


class Deliveries:
    """One connection's consuming, from the first message to the loss of the connection or the stop."""

    def __init__(
        self,
        connection: AbstractConnection,
        queue: str,
        callback: Callback,
        stop: asyncio.Event,
        together: TogetherCallback | None,
    ) -> None:
        self._connection = connection
        self._queue_name = queue
        self._callback = callback
        self._together = together
        self._stop = stop
        self._arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        self._trust = Trust()
        self._lost = asyncio.Event()
        connection.close_callbacks.add(lambda *_: self._lost.set())

    async def run(self) -> None:
        """Returns after the stop, with everything acknowledged that was handled."""
        channel = await _soon(self._connection.channel(publisher_confirms=False))
        queue = await _soon(channel.get_queue(self._queue_name, ensure=True))
        while not self._stop.is_set():
            await self._serve(channel, queue, self._trust.prefetch)
        await self._round_trip(channel)
        await _soon(channel.close())

    async def _serve(self, channel: AbstractChannel, queue: AbstractQueue, prefetch: int) -> None:
        """Consumes until the stop, or until more messages may be under way."""
        await channel.set_qos(prefetch_count=prefetch, timeout=BROKER_SECONDS)
        tag = await queue.consume(self._arrived.put, timeout=BROKER_SECONDS)
        while not self._stop.is_set() and self._trust.prefetch == prefetch:
            message = await self._next(channel, tag)
            if message is not None:
                await self._settle(message)
        await queue.cancel(tag, timeout=BROKER_SECONDS)
        await self._round_trip(channel)
        while not self._arrived.empty():
            await self._settle(self._arrived.get_nowait())

    async def _next(self, channel: AbstractChannel, tag: str) -> AbstractIncomingMessage | None:
        """The next message, or none after the stop or a pause in which the queue was looked after."""
        with suppress(asyncio.QueueEmpty):
            return self._arrived.get_nowait()
        message = await self._first(self._arrived.get())
        if message is None and not self._stop.is_set():
            await self._probe(channel, tag)
        return message

    async def _first(self, awaited: Awaitable[T]) -> T | None:
        """What is awaited, unless the stop, the loss of the connection or the time comes first."""
        work = asyncio.ensure_future(awaited)
        others = [asyncio.ensure_future(self._stop.wait()), asyncio.ensure_future(self._lost.wait())]
        try:
            await asyncio.wait([work, *others], timeout=PROBE_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            return work.result() if work.done() else None
        finally:
            for task in (work, *others):
                task.cancel()

    async def _probe(self, channel: AbstractChannel, tag: str) -> None:
        """Notices a silent network, a closed channel and a deleted queue."""
        if self._lost.is_set() or channel.is_closed:
            raise Disconnected("the connection was closed")
        await self._round_trip(channel)
        underlay: Any = await channel.get_underlay_channel()
        if tag not in underlay.consumers:
            raise Disconnected("the broker ended the subscription")

    async def _round_trip(self, channel: AbstractChannel) -> None:
        """Returns when all that was sent before is through, in both directions; fails when the queue is gone."""
        await _soon(channel.get_queue(self._queue_name, ensure=True))

    async def _settle(self, message: AbstractIncomingMessage) -> None:
        """Handles a message with what else has arrived, and acknowledges it all."""
        messages = [message]
        while self._together is not None and not self._arrived.empty():
            messages.append(self._arrived.get_nowait())
        deliveries = [_delivery(one) for one in messages]
        await self._keep(deliveries)
        failpoint("consumer.before_ack")
        await _soon(messages[-1].ack(multiple=True))
        for delivery in deliveries:
            self._trust.passed(redelivered=delivery.attempts > 0)

    async def _keep(self, deliveries: Sequence[Delivery]) -> None:
        """Goes on trying, since giving a message back to the broker counts as one of its deliveries."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_SECONDS
        while True:
            try:
                return await self._call(deliveries)
            except Exception:
                if self._stop.is_set() or self._lost.is_set() or loop.time() > deadline:
                    raise
                await asyncio.sleep(RETRY_SECONDS)

    async def _call(self, deliveries: Sequence[Delivery]) -> None:
        if self._together is not None and len(deliveries) > 1:
            await self._together(deliveries)
        else:
            await self._callback(deliveries[0])


def _delivery(message: AbstractIncomingMessage) -> Delivery:
    return Delivery(message.body, (message.exchange or "").removeprefix(EXCHANGE_PREFIX), _attempts(message))


def _attempts(message: AbstractIncomingMessage) -> int:
    count = message.headers.get("x-delivery-count", 1 if message.redelivered else 0)
    return count if isinstance(count, int) else 0


async def _soon(awaited: Awaitable[T]) -> T:
    async with asyncio.timeout(BROKER_SECONDS):
        return await awaited
