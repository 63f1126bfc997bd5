"""What an event is: a frozen dataclass with a name, a major version, a publisher and a schema made from its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, is_dataclass
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Literal,
    TypeVar,
    Union,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

import marshmallow as ma
from marshmallow import validate

BIGINT = 2**63
ANY_PUBLISHER = "*"


class InvalidEvent(ValueError):
    """The data of an event does not fit its contract."""


class Event:
    """Root of all events; the class variables are set by `event`."""

    __slots__ = ()
    NAME: ClassVar[str]
    VERSION: ClassVar[int]
    TYPE: ClassVar[str]
    """Name and major version as on the wire and as the routing key: `RecognitionGiven.v1`."""
    PUBLISHER: ClassVar[str]
    SUBJECT: ClassVar[str]
    """Which aggregate it is about, a format string over the event's fields: `recognition/{recognition_id}`."""
    URGENT: ClassVar[bool]
    """Who may be let in depends on it: it waits behind nothing but its own kind."""
    SCHEMA: ClassVar[ma.Schema]

    @property
    def subject(self) -> str:
        """The aggregate of this event: events of one subject are published in their order."""
        return self.SUBJECT.format_map({part.name: getattr(self, part.name) for part in fields(cast(Any, self))})


EVENTS: dict[str, type[Event]] = {}
E = TypeVar("E")


def part(wire_name: str) -> Any:
    """A field whose name on the wire is a word that Python keeps for itself."""
    return field(metadata={"data_key": wire_name})


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field, part))
def fact(cls: type[E]) -> type[E]:
    """A frozen piece of an event."""
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field, part))
def event(*, publisher: str, subject: str, version: int = 1, urgent: bool = False) -> Callable[[type[E]], type[E]]:
    """Makes a class a registered event; its marshmallow schema follows from the annotations."""

    def register(cls: type[E]) -> type[E]:
        made = cast(Any, fact(cls))
        made.NAME, made.VERSION, made.PUBLISHER, made.SUBJECT = cls.__name__, version, publisher, subject
        made.TYPE, made.URGENT = f"{cls.__name__}.v{version}", urgent
        made.SCHEMA = schema_of(made)()
        EVENTS[made.TYPE] = made
        return cast(type[E], made)

    return register


def encode(occurred: Event) -> dict[str, Any]:
    """The event's data as JSON values."""
    return cast(dict[str, Any], occurred.SCHEMA.dump(asdict(cast(Any, occurred))))


def decode(wire_type: str, data: Mapping[str, Any]) -> Event:
    """Data as an event; unknown keys are left out, so that newer publishers may add some.

    Raises `KeyError` for an unknown type and `InvalidEvent` for data that does not fit.
    """
    cls = EVENTS[wire_type]
    try:
        return cast(Event, cls.SCHEMA.load(data))
    except ma.ValidationError as error:
        raise InvalidEvent(f"{wire_type}: {error.messages}") from error


def schema_of(cls: type[Any]) -> type[ma.Schema]:
    """A marshmallow schema for a dataclass: strict types, unknown keys excluded, loads into the dataclass."""

    def build(self: ma.Schema, data: dict[str, Any], **_: Any) -> Any:
        return cls(**data)

    hints = get_type_hints(cls)
    members: dict[str, Any] = {spot.name: _field(hints[spot.name], _options(spot)) for spot in fields(cls)}
    members["Meta"] = type("Meta", (), {"unknown": ma.EXCLUDE})
    members["build"] = ma.post_load(build)
    return type(f"{cls.__name__}Schema", (ma.Schema,), members)


def _options(spot: Field[Any]) -> dict[str, Any]:
    """A field with a default came later: events from before do without it."""
    named = {"data_key": spot.metadata["data_key"]} if "data_key" in spot.metadata else {}
    return named if spot.default is MISSING else {**named, "load_default": spot.default}


def _field(hint: Any, options: dict[str, Any]) -> ma.fields.Field[Any]:
    if get_origin(hint) in (Union, UnionType):
        inner = next(choice for choice in get_args(hint) if choice is not NoneType)
        return _field(inner, {**options, "allow_none": True, "load_default": None})
    required: dict[str, Any] = {} if "load_default" in options else {"required": True}
    if get_origin(hint) is tuple:
        return _Tuple(_field(get_args(hint)[0], {}), **required, **options)
    if get_origin(hint) is Literal:
        return ma.fields.String(validate=validate.OneOf(get_args(hint)), **required, **options)
    if is_dataclass(hint):
        return ma.fields.Nested(schema_of(cast(type[Any], hint)), **required, **options)
    return _SCALARS[hint](**required, **options)


def _integer(**options: Any) -> ma.fields.Integer:
    return ma.fields.Integer(strict=True, validate=validate.Range(-BIGINT, BIGINT - 1), **options)


class _Truth(ma.fields.Boolean):
    """JSON's true and false and nothing else."""

    truthy = {True}
    falsy = {False}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class _Tuple(ma.fields.List[Any]):
    """A JSON list as a tuple, since events are values."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return tuple(super()._deserialize(value, attr, data, **kwargs))


def _no_nul(value: str) -> None:
    if "\0" in value:
        raise ma.ValidationError("holds a NUL character, which PostgreSQL cannot store")


def _text(**options: Any) -> ma.fields.String:
    return ma.fields.String(validate=_no_nul, **options)


_SCALARS: dict[Any, Callable[..., ma.fields.Field[Any]]] = {int: _integer, str: _text, bool: _Truth}
