"""Opaque cursors: the order that they are of, and the last row's sort keys."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from shared.errors import InvalidData
from shared.http.fields import LARGEST_ID
from shared.query.asking import EPOCH
from shared.query.declaration import Kind, name_of

MICROSECOND = timedelta(microseconds=1)
LATEST = (datetime.max.replace(tzinfo=EPOCH.tzinfo) - EPOCH) // MICROSECOND


def encode(order: Sequence[str], keys: Sequence[Any]) -> str:
    """A cursor after the row with these keys."""
    plain = [(key - EPOCH) // MICROSECOND if isinstance(key, datetime) else key for key in keys]
    return base64.urlsafe_b64encode(orjson.dumps([",".join(order), *plain])).decode().rstrip("=")


def decode(cursor: str, kind: Kind, order: Sequence[str], message: str) -> list[Any]:
    """The keys of a cursor of this order. Raises `InvalidData` naming `cursor`."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        given = orjson.loads(raw)
    except (binascii.Error, ValueError):
        given = None
    if not isinstance(given, list) or not given or not isinstance(given[0], str):
        raise InvalidData(message, fields={"cursor": "Not a cursor that was given here."})
    if given[0] != ",".join(order):
        raise InvalidData(message, fields={"cursor": "It is of another sort than this query's."})
    types = [kind.fields[name_of(key)].type for key in order]
    if len(given) != len(types) + 1 or not all(map(_is_of, given[1:], types)):
        raise InvalidData(message, fields={"cursor": "Not a cursor that was given here."})
    return [
        EPOCH + key * MICROSECOND if type_ == "timestamptz" else key
        for key, type_ in zip(given[1:], types, strict=True)
    ]


def _is_of(key: Any, type_: str) -> bool:
    if type_ == "text":
        return isinstance(key, str) and "\0" not in key
    most = {"timestamptz": LATEST, "smallint": 2**15 - 1}.get(type_, LARGEST_ID)
    return type(key) is int and 0 <= key <= most
