"""Pages of lists: `limit` and `offset`, the same as `page` and `page_size`, or an opaque `cursor`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import marshmallow as ma
import orjson
from yarl import URL

from shared.errors import InvalidData
from shared.http.fields import LARGEST_ID, Count, Text, Truth

DEFAULT_LIMIT = 20
MOST_ROWS = 100
DEEPEST_OFFSET = 100_000
"""Rows that are left out are read all the same; whoever wants more goes on by the cursor."""


class PageQuery(ma.Schema):
    """The query parameters of every list."""

    class Meta:
        unknown = ma.EXCLUDE

    limit = Count(1, MOST_ROWS, metadata={"description": f"Rows at most; {DEFAULT_LIMIT} when absent."})
    offset = Count(0, DEEPEST_OFFSET, metadata={"description": "Rows to leave out first; cursors reach further."})
    page = Count(
        1,
        DEEPEST_OFFSET + 1,
        metadata={"description": f"The page, from 1; with page_size. At most {DEEPEST_OFFSET} rows are left out."},
    )
    page_size = Count(1, MOST_ROWS, metadata={"description": "The same as limit."})
    cursor = Text(1, 500, metadata={"description": "The next_cursor of the page before."})
    total = Truth(from_text=True, metadata={"description": "true: count all rows too."})

    @ma.validates_schema
    def one_way(self, data: Mapping[str, Any], **_: Any) -> None:
        """A page is named in one way only."""
        for one, other in (("limit", "page_size"), ("offset", "page"), ("cursor", "page"), ("cursor", "offset")):
            if one in data and other in data:
                raise ma.ValidationError(f"Give {one} or {other}, not both.", other)
        if Page.of(data).offset > DEEPEST_OFFSET:
            raise ma.ValidationError(f"Leaves out more than {DEEPEST_OFFSET} rows. Go on by the cursor.", "page")


@dataclass(frozen=True, slots=True)
class Page:
    """Which rows of a list are asked for."""

    limit: int
    offset: int
    cursor: str | None
    with_total: bool

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> Page:
        """The page that a loaded `PageQuery` names."""
        limit = query.get("page_size", query.get("limit", DEFAULT_LIMIT))
        offset = (query["page"] - 1) * limit if "page" in query else query.get("offset", 0)
        return cls(limit, offset, query.get("cursor"), query.get("total", False))

    def links(self, url: URL, next_cursor: str | None) -> str:
        """The value of a Link header: the first page, the one before and the one after."""
        links = [f'<{url.without_query_params("offset", "page", "cursor")}>; rel="first"']
        if next_cursor is not None:
            following = url.without_query_params("offset", "page").update_query(cursor=next_cursor)
            links.append(f'<{following}>; rel="next"')
        if self.offset > 0 and self.cursor is None:
            before = url.without_query_params("page").update_query(offset=str(max(0, self.offset - self.limit)))
            links.append(f'<{before}>; rel="prev"')
        return ", ".join(links)


PAGING = frozenset(PageQuery().load_fields)
"""The loaded names that ask for a page."""


def is_paged(query: Mapping[str, Any]) -> bool:
    """Whether a loaded query names anything of a page."""
    return not PAGING.isdisjoint(query)


def encode_cursor(*keys: int | str) -> str:
    """An opaque cursor from the sort keys of the last row."""
    return base64.urlsafe_b64encode(orjson.dumps(keys)).decode().rstrip("=")


def decode_cursor(cursor: str, count: int) -> Sequence[int]:
    """The `count` sort keys of a cursor, all integers. Raises `InvalidData` naming `cursor`."""
    return decode_keys(cursor, [int] * count)


def decode_keys(cursor: str, types: Sequence[type]) -> Sequence[Any]:
    """The sort keys of a cursor, which are of these types. Raises `InvalidData` naming `cursor`."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        keys = orjson.loads(raw)
    except (binascii.Error, ValueError):
        keys = None
    if not isinstance(keys, list) or len(keys) != len(types) or not all(map(_is_key, keys, types)):
        raise InvalidData("Invalid query", fields={"cursor": "Not a cursor that was given here."})
    return keys


def _is_key(key: Any, type_: type) -> bool:
    if type_ is int:
        return type(key) is int and abs(key) <= LARGEST_ID
    return type(key) is type_
