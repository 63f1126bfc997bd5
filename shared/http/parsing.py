"""Bytes of a request to checked values: strict JSON, ids, query strings, versions of the interface."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import marshmallow as ma
from aiohttp import hdrs, web
from yarl import URL

from shared.deadline import within
from shared.errors import InvalidData, NotAcceptable, PayloadTooLarge, UnsupportedMediaType
from shared.http.fields import LARGEST_ID

DEEPEST = 32
BODY_SECONDS = 5.0
MOST_FORM_FIELDS = 100
MOST_KEPT, LONGEST_KEPT = 1_024, 200
"""Of the newest query strings the loaded values are kept, as of what is accepted; longer ones, in characters, come
seldom again."""
FORM = "application/x-www-form-urlencoded"
_ID = re.compile(r"[0-9]{1,16}", re.ASCII)
_VERSION = re.compile(r"\s*application/vnd\.peerly\.v(\d+)(?:\+json)?\s*(;.*)?", re.IGNORECASE)
_MEDIA_TYPES = {"application/json", "application/vnd.peerly.v1", "application/merge-patch+json"}


def path_ids(match: Mapping[str, str], message: str) -> dict[str, int]:
    """The ids in a path. Raises `InvalidData` naming each that is none."""
    wrong = {name: "Must be a positive integer." for name, text in match.items() if not _is_id(text)}
    if wrong:
        raise InvalidData(message, fields=wrong)
    return {name: int(text) for name, text in match.items()}


def _is_id(text: str) -> bool:
    return bool(_ID.fullmatch(text)) and 1 <= int(text) <= LARGEST_ID


def query_of(request: web.Request, schema: ma.Schema, message: str) -> dict[str, Any]:
    """The query string by its schema, which gets all names of its `families` too. Raises `InvalidData`."""
    text = request.rel_url.raw_query_string
    return dict(_kept(schema, text, message)) if len(text) <= LONGEST_KEPT else _query(schema, text, message)


@lru_cache(MOST_KEPT)
def _kept(schema: ma.Schema, text: str, message: str) -> Mapping[str, Any]:
    """Most query strings come again and again; a schema reads the same in the same."""
    return _query(schema, text, message)


def _query(schema: ma.Schema, text: str, message: str) -> dict[str, Any]:
    known = {field.data_key or name for name, field in schema.load_fields.items()}
    given = URL.build(query_string=text, encoded=True).query
    twice = {name: "Give it once." for name in known if len(given.getall(name, ())) > 1}
    if twice:
        raise InvalidData(message, fields=twice)
    families = tuple(getattr(schema, "families", ()))
    return load(schema, {name: given[name] for name in given if name in known or name.startswith(families)}, message)


def load(schema: ma.Schema, values: Any, message: str) -> dict[str, Any]:
    """Values by a schema. Raises `InvalidData` with one entry for every wrong field."""
    try:
        loaded: dict[str, Any] = schema.load(values, unknown=ma.EXCLUDE)
    except ma.ValidationError as error:
        raise InvalidData(message, fields=flatten(error.messages)) from None
    return loaded


def flatten(messages: Any, path: str = "") -> dict[str, str]:
    """Marshmallow's nested messages as one sentence for each field; items of a list count as their field."""
    if isinstance(messages, Mapping):
        flat: dict[str, str] = {}
        for name, inner in messages.items():
            nested = path if isinstance(name, int) else f"{path}.{name}" if path else str(name)
            flat |= flatten(inner, nested)
        return flat
    return {path: " ".join(str(message) for message in messages) if isinstance(messages, list) else str(messages)}


def accepts(request: web.Request) -> None:
    """Raises `NotAcceptable` when only other versions of this interface are wanted."""
    wanted = request.headers.get(hdrs.ACCEPT)
    if wanted is not None and not _is_accepted(wanted):
        raise NotAcceptable


@lru_cache(MOST_KEPT)
def _is_accepted(wanted: str) -> bool:
    versions = [_VERSION.fullmatch(part) for part in wanted.split(",")]
    return any(version is None or int(version.group(1)[:9]) == 1 for version in versions)


async def body_of(request: web.Request, schema: ma.Schema, message: str) -> dict[str, Any]:
    """The JSON body by its schema; an empty one counts as `{}`.

    Raises `UnsupportedMediaType`, `PayloadTooLarge` or `InvalidData`.
    """
    raw = await _read(request, message)
    if not raw.strip():
        return load(schema, {}, message)
    if request.content_type not in _MEDIA_TYPES:
        raise UnsupportedMediaType
    return load(schema, parse_object(raw, message), message)


async def form_of(request: web.Request, schema: ma.Schema, message: str) -> dict[str, Any]:
    """The fields of a form by its schema; what is left empty counts as not given, what is not known is left out.

    Raises `UnsupportedMediaType`, `PayloadTooLarge` or `InvalidData`.
    """
    raw = await _read(request, message)
    if raw and request.content_type != FORM:
        raise UnsupportedMediaType(f"Send the body as {FORM}")
    try:
        pairs = parse_qsl(raw.decode(), errors="strict", max_num_fields=MOST_FORM_FIELDS)
    except ValueError:
        raise InvalidData(f"{message}: the body is not a form in UTF-8") from None
    names = [name for name, _ in pairs]
    twice = {name: "Give it once." for name in schema.load_fields if names.count(name) > 1}
    if twice:
        raise InvalidData(message, fields=twice)
    return load(schema, dict(pairs), message)


async def _read(request: web.Request, message: str) -> bytes:
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding")
    try:
        with within(BODY_SECONDS):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise PayloadTooLarge from None
    except TimeoutError:
        raise InvalidData(f"{message}: the body did not arrive within {BODY_SECONDS:.0f} seconds") from None


def parse_object(raw: bytes, message: str) -> dict[str, Any]:
    """A JSON object without repeated names, NaN, NUL, half surrogates or more than 32 levels. Raises `InvalidData`."""
    try:
        value = _STRICT.decode(raw.decode(json.detect_encoding(raw), "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise InvalidData(f"{message}: the body is not valid JSON ({_reason(error)})") from None
    if not isinstance(value, dict):
        raise InvalidData(f"{message}: the body must be a JSON object")
    _check_members(value, message)
    return value


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return "a number is too long" if "int_max_str_digits" in str(error) else str(error)[:120]


def _check_members(value: dict[str, Any], message: str) -> None:
    wrong: dict[str, str] = {}
    for name, item in value.items():
        try:
            _check_text(name)
        except ValueError as error:
            raise InvalidData(f"{message}: the body has a name that cannot be used ({error})") from None
        try:
            _check(item, 2)
        except ValueError as error:
            wrong[name] = f"Cannot be used: {error}."
    if wrong:
        raise InvalidData(message, fields=wrong)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


_STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise ValueError(f"more than {DEEPEST} levels")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    elif isinstance(value, list):
        for item in value:
            _check(item, depth + 1)
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_text(name)
            _check(item, depth + 1)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("NUL characters are not allowed")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half a surrogate pair is not a character") from None
