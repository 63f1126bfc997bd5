"""The broker's queues, bindings and users."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPError, ChannelAccessRefused, ChannelNotFoundEntity, PublishError

from services.catalogue import SUBSCRIPTIONS
from services.connections import SERVICE_NAMES
from services.doctor import bindings
from services.doctor.bindings import Bindings
from services.doctor.line import Line, line
from services.doctor.place import Broker
from shared.bus.connection import close, connect
from shared.bus.message import receives, replay_key
from shared.bus.topology import ADMIN_SECONDS, Queue, dead_of, exchange_of, published_by, queue_of, topology, urgent_of
from shared.clock import utc_now
from shared.contracts.platform import OutboxHead
from shared.replay import control_message

CONNECT_SECONDS = 5.0
DECLARE = "python -m services migrate (with PEERLY_ADMIN_AMQP_URL) declares it"
REFUSED = "is refused"
REPLACE = "empty and delete a queue that has other limits first, unbind what is bound besides"
UNLISTED = "which queue gets which was not listed, see --bindings"

Attempt = Callable[[AbstractChannel], Awaitable[object]]


async def queues(broker: Broker) -> Line:
    """Exchanges and queues with their kind, limits and dead-letter exchange, and what each queue gets.

    Where nobody lists bindings: that each type finds some queue.
    """
    wanted = topology(SUBSCRIPTIONS)
    async with _connected(broker.admin) as connection:
        troubles = []
        for exchange in wanted.exchanges:
            declared = _declaring_exchange(exchange.name, exchange.type)
            if (said := await _refused(connection, declared)) is not None:
                troubles.append(f"exchange {exchange.name} {said}")
        for queue in wanted.queues:
            said = await _refused(connection, _seeing(queue)) or await _refused(connection, _declaring(queue))
            if said is not None:
                troubles.append(f"queue {queue.name} {said}")
        found = broker.bindings if broker.bindings is not None else await bindings.listed(broker.admin)
        if not troubles:
            troubles = await _unbound(connection) if found is None else bindings.troubles(wanted, found)
    return line("queues", troubles, f"{DECLARE}; {REPLACE}", f"{len(wanted.queues)} queues {_seen(found)}")


def _seen(found: Bindings | None) -> str:
    return "and their bindings as declared" if found is not None else f"as declared, all types bound; {UNLISTED}"


def _declaring_exchange(name: str, kind: str) -> Attempt:
    async def attempt(channel: AbstractChannel) -> None:
        await channel.declare_exchange(name, passive=True, timeout=ADMIN_SECONDS)
        await channel.declare_exchange(name, aio_pika.ExchangeType(kind), durable=True, timeout=ADMIN_SECONDS)

    return attempt


def _seeing(queue: Queue) -> Attempt:
    async def attempt(channel: AbstractChannel) -> None:
        await channel.declare_queue(queue.name, passive=True, timeout=ADMIN_SECONDS)

    return attempt


def _declaring(queue: Queue) -> Attempt:
    """Of one that is there: changes nothing, and is refused when anything differs."""

    async def attempt(channel: AbstractChannel) -> None:
        await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments, timeout=ADMIN_SECONDS)

    return attempt


async def _unbound(connection: AbstractConnection) -> list[str]:
    """Sends what does nothing, an `OutboxHead` without heads, by every key that somebody's queue has to take."""
    channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
    troubles = []
    for publisher in SERVICE_NAMES:
        exchange = await channel.get_exchange(exchange_of(publisher), ensure=False)
        keys = [
            key for key in published_by(publisher) if any(receives(SUBSCRIPTIONS, one, key) for one in SERVICE_NAMES)
        ]
        for key in [*keys, *map(replay_key, SERVICE_NAMES)]:
            nothing = control_message(OutboxHead(publisher=publisher, epoch=0, heads=()), publisher, utc_now())
            try:
                await exchange.publish(aio_pika.Message(nothing.body), key, mandatory=True, timeout=ADMIN_SECONDS)
            except PublishError:
                troubles.append(f"no queue takes {key} of {publisher}")
    return troubles


async def dead_letters(broker: Broker) -> Line:
    """What the broker and the consumers have given up, until somebody looks."""
    troubles = []
    async with _connected(broker.admin) as connection:
        channel = await connection.channel(publisher_confirms=False)
        for name in map(dead_of, SERVICE_NAMES):
            queue = await channel.declare_queue(name, passive=True, timeout=ADMIN_SECONDS)
            if queue.declaration_result.message_count:
                troubles.append(f"{queue.declaration_result.message_count} in {name}")
    return line("dead letters", troubles, "python -m services dead list, then retry or drop them", "none")


async def users(broker: Broker) -> Line:
    """Each service's user may do its work and nothing else: tried on the broker itself, changing nothing."""
    if not broker.services:
        return Line("broker users", "one account for all services, which run in one process or are not known here")
    troubles = []
    for service, url in broker.services.items():
        try:
            async with _connected(url) as connection:
                troubles += [f"{service}'s user {what}" for what in await _misfits(connection, service)]
        except (AMQPError, OSError, TimeoutError) as error:
            troubles.append(f"{service}'s user cannot connect ({type(error).__name__})")
    todo = "rabbitmqctl set_permissions as deploy/broker.py has them, or start again with `make services`"
    return line("broker users", troubles, todo, "each may use its own exchange and queues and nothing else")


async def _misfits(connection: AbstractConnection, service: str) -> list[str]:
    may_not = {"declare queues": _declaring(Queue(f"doctor.{uuid4().hex}", {"x-expires": 1_000}))}
    for other in SERVICE_NAMES:
        if other != service:
            may_not |= {f"publish as {other}": _publishing(other), **_readings(other)}
    may = {"publish": _publishing(service), **_readings(service)}
    too_much = [f"may {what}" for what, attempt in may_not.items() if await _refused(connection, attempt) != REFUSED]
    return too_much + [
        f"may not {what}" for what, attempt in may.items() if await _refused(connection, attempt) == REFUSED
    ]


def _publishing(service: str) -> Attempt:
    async def attempt(channel: AbstractChannel) -> None:
        exchange = await channel.get_exchange(exchange_of(service), ensure=False)
        await exchange.publish(aio_pika.Message(b""), "doctor.nobody", mandatory=False, timeout=ADMIN_SECONDS)

    return attempt


def _readings(service: str) -> dict[str, Attempt]:
    return {f"read {name}": _reading(name) for name in (queue_of(service), urgent_of(service))}


def _reading(name: str) -> Attempt:
    """Takes nothing: whoever may read a queue with a single active consumer is still told that it is locked."""

    async def attempt(channel: AbstractChannel) -> None:
        queue = await channel.get_queue(name, ensure=False)
        await queue.get(fail=False, no_ack=False, timeout=ADMIN_SECONDS)

    return attempt


async def _refused(connection: AbstractConnection, attempt: Attempt) -> str | None:
    """What the broker says against it, on a channel of its own, since a refusal ends the channel."""
    channel = await connection.channel(publisher_confirms=True)
    try:
        await attempt(channel)
    except ChannelNotFoundEntity:
        return "is missing"
    except ChannelAccessRefused:
        return REFUSED
    except AMQPError as error:
        return f"differs ({error})"
    finally:
        if not channel.is_closed:
            await channel.close()
    return None


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[AbstractConnection]:
    connection = await connect(url, CONNECT_SECONDS)
    try:
        yield connection
    finally:
        await close(connection)
