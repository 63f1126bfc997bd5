"""Exchanges, queues and bindings of RabbitMQ, as data; an administrator declares them, services only use them.

Each publisher has a topic exchange, each consuming service two queues and one dead queue. What decides who is let in
has the second one for itself, so that a service that was away takes it before thousands of others. A type that
nobody handles is bound to `unrouted`, a short queue that forgets: so publishing it is no error, while a missing
binding of a type that somebody handles still is one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

from shared.bus.connection import connect
from shared.bus.message import Subscriptions, receives, replay_key
from shared.contracts import EVENTS
from shared.contracts.event import ANY_PUBLISHER

ADMIN_SECONDS = 10.0
UNROUTED = "unrouted"
DELIVERY_LIMIT = 20
UNROUTED_LENGTH = 1_000


@dataclass(frozen=True, slots=True)
class Exchange:
    """A durable exchange."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Queue:
    """A durable queue."""

    name: str
    arguments: dict[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Binding:
    """What of an exchange goes to a queue; with `wanted` false it is taken away where it is left from before."""

    exchange: str
    queue: str
    key: str
    wanted: bool = True


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything that the broker must have."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]


def exchange_of(publisher: str) -> str:
    """Where a service publishes."""
    return f"peerly.{publisher}"


def queue_of(service: str) -> str:
    """What a service consumes."""
    return f"{service}.events"


def urgent_of(service: str) -> str:
    """What a service consumes beside all else: events that are urgent."""
    return f"{service}.urgent"


def dead_of(service: str) -> str:
    """The exchange and the queue of what a service could not handle."""
    return f"dead.{service}"


def topology(subscriptions: Subscriptions) -> Topology:
    """What the broker needs for these services and the wire types that they handle."""
    services = tuple(subscriptions)
    exchanges = [Exchange(exchange_of(service), "topic") for service in services]
    exchanges += [Exchange(dead_of(service), "fanout") for service in services]
    queues = [Queue(name(service), _main_arguments(service)) for service in services for name in (queue_of, urgent_of)]
    queues += [Queue(dead_of(service), {"x-queue-type": "quorum"}) for service in services]
    queues.append(Queue(UNROUTED, {"x-max-length": UNROUTED_LENGTH, "x-overflow": "drop-head"}))
    bindings = [Binding(dead_of(service), dead_of(service), "") for service in services]
    for publisher in services:
        bindings += _bindings(publisher, subscriptions)
    return Topology(tuple(exchanges), tuple(queues), tuple(bindings))


def _main_arguments(service: str) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-single-active-consumer": True,
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": dead_of(service),
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def _bindings(publisher: str, subscriptions: Subscriptions) -> Iterator[Binding]:
    exchange = exchange_of(publisher)
    for wire_type in published_by(publisher):
        takers = {service for service in subscriptions if receives(subscriptions, service, wire_type)}
        its_queue, other_queue = (urgent_of, queue_of) if EVENTS[wire_type].URGENT else (queue_of, urgent_of)
        for service in subscriptions:
            yield Binding(exchange, its_queue(service), wire_type, service in takers)
            yield Binding(exchange, other_queue(service), wire_type, wanted=False)
        yield Binding(exchange, UNROUTED, wire_type, not takers)
    for service in subscriptions:
        yield Binding(exchange, queue_of(service), replay_key(service))


def published_by(publisher: str) -> list[str]:
    """The wire types that come from a service, those of every service included."""
    return sorted(name for name, event in EVENTS.items() if event.PUBLISHER in (publisher, ANY_PUBLISHER))


async def declare(url: str, subscriptions: Subscriptions) -> None:
    """Makes the broker so, as an administrator; again changes nothing. Raises `AMQPError`, `OSError` or `TimeoutError`.

    A queue that exists with other arguments is an `AMQPError`: it has to be emptied and deleted first.
    """
    wanted = topology(subscriptions)
    connection = await connect(url, ADMIN_SECONDS)
    try:
        channel = await connection.channel(publisher_confirms=False)
        for exchange in wanted.exchanges:
            await channel.declare_exchange(
                exchange.name, ExchangeType(exchange.type), durable=True, timeout=ADMIN_SECONDS
            )
        for queue in wanted.queues:
            await channel.declare_queue(queue.name, durable=True, arguments=queue.arguments, timeout=ADMIN_SECONDS)
        for binding in wanted.bindings:
            await _bind(channel, binding)
    finally:
        await connection.close()


async def _bind(channel: AbstractChannel, binding: Binding) -> None:
    queue = await channel.get_queue(binding.queue, ensure=False)
    if binding.wanted:
        await queue.bind(binding.exchange, binding.key, timeout=ADMIN_SECONDS)
    else:
        await queue.unbind(binding.exchange, binding.key, timeout=ADMIN_SECONDS)
