"""The document of events says what the contracts say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from shared.asyncapi import document
from shared.contracts import EVENTS
from tests.unit.test_contracts import EXAMPLE, sealed

SUBSCRIPTIONS = {
    "auth": {"Hi5BalanceChanged.v1"},
    "quota": {"RecognitionDeleted.v1"},
    "recognition": (),
    "moderation": (),
}
DOCUMENT = document(SUBSCRIPTIONS)


def references(node: Any) -> Iterator[str]:
    match node:
        case {"$ref": str(reference)}:
            yield reference
        case dict():
            for child in node.values():
                yield from references(child)
        case list():
            for child in node:
                yield from references(child)


def at(reference: str) -> Any:
    node: Any = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def test_every_reference_leads_somewhere() -> None:
    assert all(at(reference) is not None for reference in references(DOCUMENT))


def test_every_operation_has_a_channel_and_a_direction() -> None:
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert at(operation["channel"]["$ref"])["messages"]


def test_every_contract_is_a_message_and_is_sent_by_somebody() -> None:
    assert set(DOCUMENT["components"]["messages"]) == set(EVENTS)
    sent = {at(one["channel"]["$ref"])["address"] for one in DOCUMENT["operations"].values() if one["action"] == "send"}
    assert sent == set(EVENTS)


def test_handlers_are_receivers() -> None:
    assert "quota.handles.recognition.RecognitionDeleted.v1" in DOCUMENT["operations"]
    assert "auth.handles.recognition.RecognitionDeleted.v1" not in DOCUMENT["operations"]
    assert "auth.handles.moderation.OutboxHead.v1" in DOCUMENT["operations"]


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_schemas_are_schemas(name: str) -> None:
    Draft202012Validator.check_schema(DOCUMENT["components"]["schemas"][name])


def test_real_envelope_fits_and_a_broken_one_does_not() -> None:
    resource = Resource.from_contents(DOCUMENT, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("peerly:events", resource)
    reference = f"peerly:events#/components/messages/{EXAMPLE.TYPE}/payload"
    validator = Draft202012Validator({"$ref": reference}, registry=registry)
    envelope = orjson.loads(sealed(EXAMPLE))
    validator.validate(envelope)
    assert not validator.is_valid({**envelope, "orgid": 3})
    assert not validator.is_valid({**envelope, "data": {**envelope["data"], "version": "4"}})
