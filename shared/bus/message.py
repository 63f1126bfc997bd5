"""What a transport of events offers, and what it carries."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.contracts.platform import EventsRequested, OutboxHead

Subscriptions = Mapping[str, Collection[str]]
"""Which wire types, such as `UserJoined.v1`, each service handles."""

CONTROL = (OutboxHead.TYPE, EventsRequested.TYPE)
"""The wire types that every service receives from every publisher."""


class Unconfirmed(Exception):
    """The transport did not confirm in time. The message may arrive all the same: publish it again."""


class Refused(Unconfirmed):
    """The transport answers, but a queue that takes this message does not: others may well be taken."""


class Unroutable(Exception):
    """The transport is well, but no queue takes this message."""


class Disconnected(Exception):
    """The transport is gone for now; consuming starts anew after a pause."""


@dataclass(frozen=True, slots=True)
class Message:
    """One envelope on its way out; `publisher` names the exchange."""

    id: UUID
    publisher: str
    routing_key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """One envelope on its way in; `publisher` is the transport's word, `attempts` how often it came before."""

    body: bytes
    publisher: str
    attempts: int = 0


Callback = Callable[[Delivery], Awaitable[None]]
"""Returns when the event is safe in the consumer's tables; raises when it could not be kept there."""


TogetherCallback = Callable[[Sequence[Delivery]], Awaitable[None]]
"""The same for several messages that are there at once."""

Keep = Callable[[bytes, str], Awaitable[None]]
"""Gets a dead message's body and why it died."""


class Bus(Protocol):
    """Carries envelopes from a publisher to each subscribed service, at least once."""

    async def connect(self) -> None:
        """Makes sure that publishing is possible; raises `Unconfirmed`."""

    async def publish(self, message: Message) -> None:
        """Returns when every subscriber is sure to get it; raises `Unconfirmed` (`Refused`) or `Unroutable`."""

    async def consume(
        self, service: str, callback: Callback, stop: asyncio.Event, together: TogetherCallback | None = None
    ) -> None:
        """Feeds the service one message at a time, or several `together`, until `stop`.

        Raises `Disconnected` or what the callback raised.
        """

    async def bury(self, service: str, body: bytes, reason: str) -> bool:
        """Puts a message into the transport's dead queue; false when it has none. Raises `Unconfirmed`."""

    async def exhume(self, service: str, keep: Keep) -> int:
        """Takes everything out of the dead queue, each after `keep` has it; returns how many. Raises `Unconfirmed`."""

    def healthy(self) -> bool:
        """Whether the transport is reachable now."""

    async def close(self) -> None:
        """Ends the connections after what is in flight."""


def replay_key(service: str) -> str:
    """The routing key of kept events that one service alone asked for."""
    return f"replay.{service}"


def receives(subscriptions: Subscriptions, service: str, routing_key: str) -> bool:
    """Whether a message with this key belongs to the service."""
    return routing_key in CONTROL or routing_key == replay_key(service) or routing_key in subscriptions[service]
