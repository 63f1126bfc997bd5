"""Each contract on the wire and back, as CloudEvents, and nothing that is not exactly an event."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from types import NoneType, UnionType
from typing import Any, Literal, cast, get_args, get_origin, get_type_hints
from uuid import UUID, uuid4

import orjson
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contracts import EVENTS, PUBLISHERS, Event, InvalidEvent, decode, encode
from shared.contracts.event import ANY_PUBLISHER
from shared.envelope import Recorded, Undecodable, seal, unseal

BIGINTS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=30)
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1), timezones=st.just(UTC))


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Everything that a field of this type may hold."""
    if get_origin(hint) is UnionType:
        return st.one_of([values(one) for one in get_args(hint)])
    if get_origin(hint) is tuple:
        return st.lists(values(get_args(hint)[0]), max_size=3).map(tuple)
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if is_dataclass(hint):
        return facts(cast(type[Any], hint))
    return {int: BIGINTS, str: TEXTS, bool: st.booleans(), NoneType: st.none()}[hint]


def facts(cls: type[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(cls)
    return st.builds(cls, **{spot.name: values(hints[spot.name]) for spot in fields(cls)})


def sealed(event: Event, **changes: Any) -> bytes:
    known = {
        "id": UUID(int=7),
        "org_id": 3,
        "type": event.TYPE,
        "subject": "thing/1",
        "occurred_at": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "data": orjson.dumps(encode(event)).decode(),
        "request_id": "abc",
        "position": 12,
        "epoch": 5,
    }
    return seal(Recorded(**{**known, **changes}), publisher_of(event))


def publisher_of(event: Event) -> str:
    if event.PUBLISHER != ANY_PUBLISHER:
        return event.PUBLISHER
    return str(getattr(event, "consumer", None) or getattr(event, "publisher", None))


EXAMPLE = EVENTS["RecognitionDeleted.v1"](recognition_id=1, deleted_by=2, deleted_at=3, version=4)  # type: ignore[call-arg]


@pytest.mark.parametrize("name", sorted(EVENTS))
@given(data=st.data())
@settings(max_examples=25)
def test_every_contract_survives_the_wire(name: str, data: st.DataObject) -> None:
    event = data.draw(facts(EVENTS[name]))
    assert decode(name, orjson.loads(orjson.dumps(encode(event)))) == event


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_every_contract_has_a_publisher_a_subject_and_a_word_of_explanation(name: str) -> None:
    event = EVENTS[name]
    assert event.PUBLISHER in (*PUBLISHERS, ANY_PUBLISHER)
    assert event.__doc__
    assert event.TYPE == f"{event.__name__}.v{event.VERSION}" == name


@given(
    org_id=st.integers(0, 2**63 - 1),
    position=st.none() | st.integers(1, 2**63 - 1),
    moment=MOMENTS,
    request_id=st.none() | st.text("abc-_.1", min_size=1, max_size=20),
)
def test_envelope_survives_the_wire(
    org_id: int, position: int | None, moment: datetime, request_id: str | None
) -> None:
    body = sealed(EXAMPLE, org_id=org_id, position=position, occurred_at=moment, request_id=request_id)
    received = unseal(body)
    assert (received.org_id, received.position, received.occurred_at) == (org_id, position, moment)
    assert (received.request_id, received.publisher, received.event) == (request_id, "recognition", EXAMPLE)
    assert received.epoch == (0 if position is None else 5)


def test_envelope_is_a_cloud_event_to_others() -> None:
    body = sealed(EXAMPLE)
    event = JSONFormat().read(CloudEvent, body)
    assert event.get_type() == "peerly.RecognitionDeleted.v1"
    assert event.get_source() == "/peerly/recognition"
    assert event.get_subject() == "thing/1"
    assert event.get_time() == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert event.get_extension("orgid") == "3"
    assert event.get_extension("position") == "12"
    assert event.get_data() == encode(EXAMPLE)
    assert unseal(JSONFormat().write(event)).event == EXAMPLE


def test_time_has_microseconds_and_a_zone() -> None:
    assert json.loads(sealed(EXAMPLE))["time"] == "2026-01-02T03:04:05.678901Z"
    whole = sealed(EXAMPLE, occurred_at=datetime(2026, 1, 2, tzinfo=UTC) + timedelta(hours=1))
    assert json.loads(whole)["time"] == "2026-01-02T01:00:00.000000Z"


def test_newer_publishers_may_add_fields() -> None:
    envelope = json.loads(sealed(EXAMPLE))
    envelope |= {"traceparent": "00-x", "data": {**envelope["data"], "new": {"deep": [1]}}}
    assert unseal(orjson.dumps(envelope)).event == EXAMPLE


WRONG: dict[str, Any] = {
    "specversion": ["0.3", 1, None],
    "id": ["", "7", 7, None, "x" * 2000, "\0"],
    "source": ["", "recognition", "/peerly/", "/peerly/payroll", "/other/recognition", ["/peerly/recognition"]],
    "type": ["RecognitionDeleted.v1", "peerly.RecognitionDeleted", "peerly.RecognitionDeleted.v2", "peerly.", 5, None],
    "subject": ["", None, 1, "a\0b"],
    "time": ["", "yesterday", "2026-01-02", "2026-01-02T03:04:05", 1767323045, "0001-01-01T00:00:00+14:00"],
    "orgid": ["", "-1", "1.5", 1, "9223372036854775808", "²", "1" * 30, None],
    "position": ["0", "-3", 4, "abc"],
    "epoch": ["x", 5],
    "requestid": ["", 5, None],
    "data": [None, [], "{}", 5, {}, {"recognition_id": 1}],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, wrong in WRONG.items() for value in wrong])
def test_wrong_attribute_is_refused(name: str, value: Any) -> None:
    with pytest.raises(Undecodable):
        unseal(orjson.dumps({**json.loads(sealed(EXAMPLE)), name: value}))


@pytest.mark.parametrize("name", ["specversion", "id", "source", "type", "subject", "time", "orgid", "data"])
def test_missing_attribute_is_refused(name: str) -> None:
    envelope = json.loads(sealed(EXAMPLE))
    del envelope[name]
    with pytest.raises(Undecodable):
        unseal(orjson.dumps(envelope))


@pytest.mark.parametrize("field", ["recognition_id", "deleted_by", "deleted_at", "version"])
@pytest.mark.parametrize("value", ["1", 1.5, True, None, 2**63, -(2**63) - 1, [1], {"a": 1}])
def test_wrong_value_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidEvent):
        decode("RecognitionDeleted.v1", {**encode(EXAMPLE), field: value})


def test_text_with_a_nul_is_refused() -> None:
    changed = {"recognition_id": 1, "text": "a\0b", "version": 1}
    with pytest.raises(InvalidEvent):
        decode("RecognitionChanged.v1", changed)


def test_event_of_another_publisher_is_refused() -> None:
    envelope = json.loads(sealed(EXAMPLE))
    with pytest.raises(Undecodable, match="does not come from auth"):
        unseal(orjson.dumps({**envelope, "source": "/peerly/auth"}))


def test_nobody_speaks_of_anothers_outbox() -> None:
    head = EVENTS["OutboxHead.v1"](publisher="auth", epoch=1, heads=())  # type: ignore[call-arg]
    data = orjson.dumps(encode(head)).decode()
    recorded = Recorded(uuid4(), 0, head.TYPE, "outbox/auth", datetime.now(UTC), data)
    assert unseal(seal(recorded, "auth")).event == head
    with pytest.raises(Undecodable):
        unseal(seal(recorded, "quota"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"NaN",
        b'{"a": NaN}',
        b"\xff\xfe",
        b'"\\ud800"',
        b"[" * 100_000,
        b"{" * 2_000_000,
        b'{"a":' * 2_000 + b"1" + b"}" * 2_000,
        b'{"id": 1e400}',
    ],
)
def test_bytes_that_are_no_event_are_refused(body: bytes) -> None:
    with pytest.raises(Undecodable):
        unseal(body)


@given(st.binary(max_size=200))
@settings(max_examples=500)
def test_random_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(Undecodable):
        unseal(body)


@given(data=st.data())
@settings(max_examples=500)
def test_mutated_envelope_is_an_event_or_refused(data: st.DataObject) -> None:
    body = bytearray(sealed(EXAMPLE))
    for _ in range(data.draw(st.integers(1, 5))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    with suppress(Undecodable):
        assert isinstance(unseal(bytes(body)).event, Event)
