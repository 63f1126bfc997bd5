"""Lists of few rows, all in memory: told whole, or in pages where one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

from shared.http.answers import Answer, listed, listed_whole
from shared.http.call import Call
from shared.http.paging import decode_keys, encode_cursor, is_paged

Key = int | str
Row = dict[str, Any]


def listed_few(call: Call, rows: Sequence[Row], *keys: str) -> Answer:
    """200 with rows that are sorted by these of their fields; no two rows have the same values in all of them.

    Raises `InvalidData` for a cursor that is none.
    """
    if not is_paged(call.query):
        return listed_whole(call, rows, len(rows))
    page = call.page
    key = _key_of(keys)
    left: Sequence[Row] = rows
    if page.cursor is not None:
        last = decode_keys(page.cursor, [type(one) for one in key(rows[0])] if rows else [])
        left = [row for row in rows if key(row) > tuple(last)]
    found = list(islice(left, page.offset, page.offset + page.limit))
    following = encode_cursor(*key(found[-1])) if page.offset + page.limit < len(left) else None
    return listed(call, found, total=len(rows) if page.with_total else None, next_cursor=following)


def _key_of(keys: Sequence[str]) -> Callable[[Row], tuple[Key, ...]]:
    return lambda row: tuple(row[name] for name in keys)
