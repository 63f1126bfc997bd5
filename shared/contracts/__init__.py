"""Every event that crosses a service's border: owned by its publisher, read by its consumers.

Importing this package registers all of them; `EVENTS` maps a wire type such as `RecognitionGiven.v1` to its class.
"""

from shared.contracts import (
    auth,
    credentials,
    files,
    maintenance,
    moderation,
    platform,
    providers,
    quota,
    recognition,
    teams,
    value_lists,
)
from shared.contracts.event import EVENTS, Event, InvalidEvent, decode, encode

PUBLISHERS = ("auth", "recognition", "quota", "moderation")

__all__ = [
    "EVENTS",
    "PUBLISHERS",
    "Event",
    "InvalidEvent",
    "auth",
    "credentials",
    "decode",
    "encode",
    "files",
    "maintenance",
    "moderation",
    "platform",
    "providers",
    "quota",
    "recognition",
    "teams",
    "value_lists",
]
