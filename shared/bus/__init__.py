"""How events travel between services: a protocol, and two transports that pass the same tests."""

from shared.bus.in_process import InProcessBus
from shared.bus.message import (
    CONTROL,
    Bus,
    Callback,
    Delivery,
    Disconnected,
    Keep,
    Message,
    Refused,
    Subscriptions,
    Unconfirmed,
    Unroutable,
    replay_key,
)

__all__ = [
    "CONTROL",
    "Bus",
    "Callback",
    "Delivery",
    "Disconnected",
    "InProcessBus",
    "Keep",
    "Message",
    "Refused",
    "Subscriptions",
    "Unconfirmed",
    "Unroutable",
    "replay_key",
]
