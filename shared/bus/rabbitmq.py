"""The transport for operation: RabbitMQ, one connection to publish and another one to consume."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import DeliveryError, PublishError
from yarl import URL

from shared.bus.connection import BROKER_IS_AWAY, close, connect
from shared.bus.deliveries import Deliveries
from shared.bus.message import Callback, Disconnected, Keep, Message, Refused, TogetherCallback, Unconfirmed, Unroutable
from shared.bus.topology import dead_of, exchange_of, queue_of, urgent_of

HEARTBEAT_SECONDS = 4
"""The broker gives up a frozen process after two to three of these: another one takes over within 15 seconds."""
CONNECT_SECONDS = 5.0
PUBLISH_SECONDS = 3.0
ANSWER_SECONDS = 1.0
LOOK_SECONDS = 0.1
REASON_HEADER = "x-peerly-reason"
DIED_HEADER = "x-peerly-died-at"
MAX_REASON = 2_000


class RabbitBus:
    """Connects when it is first needed and again after a loss, never by itself in the background."""

    def __init__(self, url: str) -> None:
        self._url = str(URL(url).update_query(heartbeat=HEARTBEAT_SECONDS))
        self._user = URL(url).user
        self._connection: AbstractConnection | None = None
        self._channels: dict[str, AbstractChannel] = {}
        self._opening = asyncio.Lock()

    async def connect(self) -> None:
        """Opens what is needed to publish, unless it is open; raises `Unconfirmed`."""
        await self._open_connection()

    async def publish(self, message: Message) -> None:
        """Returns after the broker's confirm; raises `Unconfirmed`, `Refused` or `Unroutable`."""
        envelope = aio_pika.Message(
            message.body,
            content_type="application/cloudevents+json",
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            message_id=str(message.id),
            user_id=self._user,
        )
        await self._publish(exchange_of(message.publisher), message.routing_key, envelope)

    async def bury(self, service: str, body: bytes, reason: str) -> bool:
        """Puts a message into the service's dead queue, with the reason as a header."""
        envelope = aio_pika.Message(
            body,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            user_id=self._user,
            headers={REASON_HEADER: reason[:MAX_REASON], DIED_HEADER: datetime.now(UTC).isoformat()},
        )
        await self._publish(dead_of(service), "", envelope)
        return True

    async def _publish(self, exchange_name: str, routing_key: str, envelope: aio_pika.Message) -> None:
        channel = await self._open_channel(routing_key)
        try:
            exchange = await channel.get_exchange(exchange_name, ensure=False)
            await exchange.publish(envelope, routing_key, mandatory=True, timeout=PUBLISH_SECONDS)
        except PublishError as error:
            raise Unroutable(f"{exchange_name} has no queue for {routing_key!r}") from error
        except DeliveryError as error:
            raise Refused(f"the broker refused {routing_key!r}: {error!r}") from error
        except TimeoutError as error:
            if await self._answers():
                raise Refused(f"a queue does not take {routing_key!r}") from error
            await self._drop_unless_blocked()
            raise Unconfirmed(f"the broker did not confirm {routing_key!r} in time") from error
        except BROKER_IS_AWAY as error:
            raise Unconfirmed(f"the broker did not confirm {routing_key!r}: {error!r}") from error

    async def _answers(self) -> bool:
        """Whether the broker still works on the connection that a confirm did not come back on."""
        connection = self._connection
        if connection is None:
            return False
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await (await connection.channel(publisher_confirms=False)).close()
        except BROKER_IS_AWAY:
            return False
        return True

    async def _drop_unless_blocked(self) -> None:
        """Gives up a silent connection; one that the broker holds back by an alarm is kept, or they would pile up."""
        connection = self._connection
        if connection is None or connection.transport is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_SECONDS):
                await connection.transport.connection.ready()
            self._connection = None
            await close(connection)

    async def _open_channel(self, routing_key: str) -> AbstractChannel:
        """Each key has its own: the broker may stop working on one that waits for a queue."""
        connection = await self._open_connection()
        async with self._opening:
            channel = self._channels.get(routing_key)
            if channel is None or channel.is_closed:
                try:
                    async with asyncio.timeout(CONNECT_SECONDS):
                        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
                except BROKER_IS_AWAY as error:
                    raise Unconfirmed(f"the broker opens no channel: {error!r}") from error
                self._channels[routing_key] = channel
            return channel

    async def _open_connection(self) -> AbstractConnection:
        async with self._opening:
            if self._connection is not None and self._is_connected():
                return self._connection
            lost, self._connection = self._connection, None
            self._channels.clear()
            if lost is not None:
                await close(lost)
            try:
                self._connection = await connect(self._url, CONNECT_SECONDS)
            except BROKER_IS_AWAY as error:
                raise Unconfirmed(f"the broker cannot be reached: {error!r}") from error
            return self._connection

    async def consume(
        self, service: str, callback: Callback, stop: asyncio.Event, together: TogetherCallback | None = None
    ) -> None:
        """Serves both queues until `stop`; raises `Disconnected` or what the callback went on raising."""
        try:
            connection = await connect(self._url, CONNECT_SECONDS)
        except BROKER_IS_AWAY as error:
            raise Disconnected(f"the broker cannot be reached: {error!r}") from error
        try:
            queues = [Deliveries(connection, name(service), callback, stop, together) for name in (urgent_of, queue_of)]
            await _all(queue.run() for queue in queues)
        except BROKER_IS_AWAY as error:
            raise Disconnected(f"the broker is gone: {error!r}") from error
        finally:
            await close(connection)

    async def exhume(self, service: str, keep: Keep) -> int:
        """Takes over what the consumer and the broker itself gave up."""
        try:
            connection = await connect(self._url, CONNECT_SECONDS)
        except BROKER_IS_AWAY as error:
            raise Unconfirmed(f"the broker cannot be reached: {error!r}") from error
        try:
            channel = await connection.channel(publisher_confirms=False)
            queue = await channel.get_queue(dead_of(service), ensure=True)
            taken = 0
            while (message := await queue.get(fail=False, timeout=CONNECT_SECONDS)) is not None:
                await keep(message.body, _reason(message))
                await message.ack()
                taken += 1
            await channel.get_queue(dead_of(service), ensure=True)
            return taken
        finally:
            await close(connection)

    def healthy(self) -> bool:
        """Whether there is a connection to publish on."""
        return self._is_connected()

    def _is_connected(self) -> bool:
        """A lost connection is no longer connected, while aio-pika calls only one closed that was closed here."""
        return self._connection is not None and self._connection.connected.is_set()

    async def close(self) -> None:
        """Ends the publishing connection."""
        if self._connection is not None:
            await close(self._connection)


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Runs them beside each other; the first failure ends the others and is raised."""
    tasks = [asyncio.create_task(one) for one in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _reason(message: AbstractIncomingMessage) -> str:
    given = message.headers.get(REASON_HEADER)
    return (
        str(given) if given is not None else f"given up by the broker: {message.headers.get('x-first-death-reason')!r}"
    )
