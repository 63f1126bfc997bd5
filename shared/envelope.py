"""The wire form of an event: CloudEvents 1.0 as structured JSON.

`orgid`, `position` and `epoch` are extension attributes and travel as text, since a CloudEvents integer has 32 bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson

from shared.contracts import PUBLISHERS, Event, InvalidEvent, decode
from shared.contracts.credentials import CredentialsUsed
from shared.contracts.event import ANY_PUBLISHER, BIGINT, EVENTS
from shared.contracts.platform import EventsRequested, OutboxHead
from shared.contracts.providers import ExternalIdentitySeen, ProviderKeysRequested

SPECIFICATION = "1.0"
TYPE_PREFIX = "peerly."
SOURCE_PREFIX = "/peerly/"
MAX_BYTES = 1_048_576
MAX_TEXT = 1_000

E_co = TypeVar("E_co", bound=Event, covariant=True)


class Undecodable(ValueError):
    """These bytes are no event that this version understands; the message says why."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as its publisher's outbox keeps it; `type` is `RecognitionGiven.v1`, `data` its JSON text."""

    id: UUID
    org_id: int
    type: str
    subject: str
    occurred_at: datetime
    data: str
    request_id: str | None = None
    position: int | None = None
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Received(Generic[E_co]):
    """An event as a handler gets it; `position` and `epoch` are the publisher's, null on control events."""

    id: UUID
    org_id: int
    type: str
    subject: str
    occurred_at: datetime
    request_id: str | None
    position: int | None
    epoch: int
    publisher: str
    event: E_co


def seal(recorded: Recorded, publisher: str) -> bytes:
    """The bytes that travel."""
    attributes: dict[str, Any] = {
        "specversion": SPECIFICATION,
        "id": str(recorded.id),
        "source": SOURCE_PREFIX + publisher,
        "type": TYPE_PREFIX + recorded.type,
        "subject": recorded.subject,
        "time": recorded.occurred_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "orgid": str(recorded.org_id),
    }
    if recorded.position is not None:
        attributes |= {"position": str(recorded.position), "epoch": str(recorded.epoch)}
    if recorded.request_id is not None:
        attributes["requestid"] = recorded.request_id
    return orjson.dumps(attributes | {"data": orjson.Fragment(recorded.data)})


def unseal(body: bytes) -> Received[Event]:
    """Bytes as an event; raises `Undecodable` for everything that is not exactly one."""
    attributes = _attributes(body)
    source, wire_type = _text(attributes, "source"), _text(attributes, "type")
    if attributes.get("specversion") != SPECIFICATION:
        raise Undecodable("specversion is not 1.0")
    publisher = source.removeprefix(SOURCE_PREFIX)
    if publisher == source or publisher not in PUBLISHERS:
        raise Undecodable(f"unknown source {source!r}")
    event = _event(wire_type, attributes.get("data"), publisher)
    position = _number(attributes, "position", 1) if "position" in attributes else None
    return Received(
        id=_uuid(attributes),
        org_id=_number(attributes, "orgid", 0),
        type=event.TYPE,
        subject=_text(attributes, "subject"),
        occurred_at=_moment(attributes),
        request_id=_text(attributes, "requestid") if "requestid" in attributes else None,
        position=position,
        epoch=0 if position is None else _number(attributes, "epoch", 0),
        publisher=publisher,
        event=event,
    )


def _attributes(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_BYTES:
        raise Undecodable(f"larger than {MAX_BYTES} bytes")
    try:
        attributes = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"not JSON: {error}") from error
    if not isinstance(attributes, dict):
        raise Undecodable("not a JSON object")
    return attributes


def _event(wire_type: str, data: Any, publisher: str) -> Event:
    name = wire_type.removeprefix(TYPE_PREFIX)
    if name == wire_type or name not in EVENTS:
        raise Undecodable(f"unknown type {wire_type!r}")
    if not isinstance(data, dict):
        raise Undecodable("data is not an object")
    try:
        event = decode(name, data)
    except InvalidEvent as error:
        raise Undecodable(str(error)[:MAX_TEXT]) from error
    if _owner(event) != publisher:
        raise Undecodable(f"{name} does not come from {publisher}")
    return event


def _owner(event: Event) -> str | None:
    match event:
        case OutboxHead() | CredentialsUsed() | ExternalIdentitySeen() | ProviderKeysRequested():
            return event.publisher
        case EventsRequested():
            return event.consumer
        case _:
            return None if event.PUBLISHER == ANY_PUBLISHER else event.PUBLISHER


def _text(attributes: dict[str, Any], name: str) -> str:
    value = attributes.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT or "\0" in value:
        raise Undecodable(f"{name} is not a text of 1 to {MAX_TEXT} characters")
    return value


def _number(attributes: dict[str, Any], name: str, least: int) -> int:
    text = _text(attributes, name)
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) < BIGINT):
        raise Undecodable(f"{name} is not a whole number of at least {least}")
    return int(text)


def _uuid(attributes: dict[str, Any]) -> UUID:
    try:
        return UUID(_text(attributes, "id"))
    except ValueError as error:
        raise Undecodable("id is not a UUID") from error


def _moment(attributes: dict[str, Any]) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(attributes, "time"))
        if moment.tzinfo is None:
            raise Undecodable("time has no offset")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Undecodable(f"time is not RFC 3339: {error}") from error
