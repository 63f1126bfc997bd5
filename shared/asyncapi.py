"""The AsyncAPI 3.0 document of all events: made from the contracts and from who handles what."""

from __future__ import annotations

import inspect
from typing import Any

import marshmallow as ma
from marshmallow import validate

from shared.bus.message import Subscriptions, receives
from shared.bus.topology import exchange_of, published_by, queue_of, urgent_of
from shared.contracts import EVENTS, Event
from shared.contracts.event import BIGINT
from shared.envelope import SOURCE_PREFIX, SPECIFICATION, TYPE_PREFIX
from shared.version import VERSION

CONTENT_TYPE = "application/cloudevents+json"
DESCRIPTION = (
    "What Peerly's services tell each other: CloudEvents in structured JSON, at least once, in order per subject. "
    "A consumer drops what it has seen (`id`) and asks again for what it misses (`position`)."
)

Json = dict[str, Any]


def document(subscriptions: Subscriptions) -> Json:
    """The whole document, for the services that handle these wire types."""
    publications = [
        (publisher, wire_type) for publisher in sorted(subscriptions) for wire_type in published_by(publisher)
    ]
    operations: Json = {}
    for publisher, wire_type in publications:
        operations |= _operations(publisher, wire_type, subscriptions)
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Peerly's events", "version": VERSION, "description": DESCRIPTION},
        "defaultContentType": CONTENT_TYPE,
        "servers": {
            "broker": {"host": "rabbitmq:5672", "pathname": "/peerly", "protocol": "amqp", "protocolVersion": "0.9.1"}
        },
        "channels": {_channel_id(*publication): _channel(*publication) for publication in publications},
        "operations": operations,
        "components": {
            "messages": {wire_type: _message(EVENTS[wire_type]) for wire_type in sorted(EVENTS)},
            "schemas": {"Envelope": _envelope(), **{name: schema_of(EVENTS[name].SCHEMA) for name in sorted(EVENTS)}},
        },
    }


def _channel_id(publisher: str, wire_type: str) -> str:
    return f"{publisher}.{wire_type}"


def _channel(publisher: str, wire_type: str) -> Json:
    exchange = {
        "name": exchange_of(publisher),
        "type": "topic",
        "durable": True,
        "autoDelete": False,
        "vhost": "/peerly",
    }
    return {
        "address": wire_type,
        "messages": {wire_type: {"$ref": f"#/components/messages/{wire_type}"}},
        "bindings": {"amqp": {"is": "routingKey", "exchange": exchange, "bindingVersion": "0.3.0"}},
    }


def _operations(publisher: str, wire_type: str, subscriptions: Subscriptions) -> Json:
    place = f"#/channels/{_channel_id(publisher, wire_type)}"
    sending = {"action": "send", "channel": {"$ref": place}, "summary": f"{publisher} publishes {wire_type}."}
    takers = [service for service in sorted(subscriptions) if receives(subscriptions, service, wire_type)]
    its_queue = urgent_of if EVENTS[wire_type].URGENT else queue_of
    return {f"{publisher}.sends.{wire_type}": sending} | {
        f"{taker}.handles.{_channel_id(publisher, wire_type)}": {
            "action": "receive",
            "channel": {"$ref": place},
            "summary": f"{taker} handles {publisher}'s {wire_type}, from its queue {its_queue(taker)}.",
        }
        for taker in takers
    }


def _message(event: type[Event]) -> Json:
    return {
        "name": event.TYPE,
        "title": event.__name__,
        "summary": inspect.getdoc(event) or "",
        "contentType": CONTENT_TYPE,
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/Envelope"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": TYPE_PREFIX + event.TYPE},
                        "subject": {"type": "string", "description": f"Of the form {event.SUBJECT}."},
                        "data": {"$ref": f"#/components/schemas/{event.TYPE}"},
                    },
                },
            ]
        },
    }


def _envelope() -> Json:
    number = {"type": "string", "pattern": "^[0-9]{1,19}$"}
    return {
        "type": "object",
        "description": "The attributes of every event; extension attributes hold numbers as text.",
        "required": ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "orgid", "data"],
        "properties": {
            "specversion": {"const": SPECIFICATION},
            "id": {"type": "string", "format": "uuid", "description": "The same on every delivery."},
            "source": {"type": "string", "pattern": f"^{SOURCE_PREFIX}[a-z]+$"},
            "type": {"type": "string"},
            "subject": {"type": "string", "description": "The aggregate; its events are sent in their order."},
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "orgid": {**number, "description": "The organisation; 0 for what belongs to none."},
            "position": {**number, "description": "Counts the events of this publisher and type without gaps from 1."},
            "epoch": {**number, "description": "A new one starts the positions anew."},
            "requestid": {"type": "string", "description": "The request that caused it."},
            "data": {"type": "object"},
        },
    }


def schema_of(schema: ma.Schema) -> Json:
    """A contract's schema as JSON Schema."""
    fields = {spot.data_key or name: spot for name, spot in schema.fields.items()}
    return {
        "type": "object",
        "required": [name for name, spot in fields.items() if spot.required],
        "properties": {name: _value(spot) for name, spot in fields.items()},
    }


def _value(spot: ma.fields.Field[Any]) -> Json:
    value = _plain(spot)
    return {"oneOf": [value, {"type": "null"}]} if spot.allow_none else value


def _plain(spot: ma.fields.Field[Any]) -> Json:
    match spot:
        case ma.fields.Nested():
            return schema_of(spot.schema)
        case ma.fields.List():
            return {"type": "array", "items": _value(spot.inner)}
        case ma.fields.Integer():
            return {"type": "integer", "minimum": -BIGINT, "maximum": BIGINT - 1}
        case ma.fields.Boolean():
            return {"type": "boolean"}
        case _:
            choices = [one.choices for one in spot.validators if isinstance(one, validate.OneOf)]
            return {"type": "string", "enum": list(choices[0])} if choices else {"type": "string"}
