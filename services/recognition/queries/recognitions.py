"""Recognitions and the hi5s on them as clients see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import asyncpg

from services.recognition.queries.rows import Rows
from shared.database import Connection, Database
from shared.http import Page, Raw, decode_cursor, encode_cursor

_FEED = "SELECT documents, last_at, last_id FROM feed($1, $2, $3, $4, $5, $6, $7, $8, $9)"
_TOTAL = "SELECT count_feed($1, $2, $3, $4, $5)"
_RECOGNITION = "SELECT document, version FROM recognition_document($1, $2, $3)"
_HI5S = "SELECT documents, total, last_id FROM hi5s_page($1, $2, $3, $4, $5, $6)"


class Document(NamedTuple):
    """One resource as JSON, with its version."""

    json: Raw
    version: int


class Filters(NamedTuple):
    """Which recognitions are asked for; None asks for all."""

    given_for: Sequence[int] | None
    given_by: Sequence[int] | None
    core_value_ids: Sequence[int] | None
    only_hidden: bool

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> Filters:
        """The filters that a loaded query names."""
        for_, by, values = (_distinct(query.get(name)) for name in ("given_for", "given_by", "core_value_id"))
        return cls(for_, by, values, only_hidden=query["status"] == "hidden")


def _distinct(ids: Sequence[int] | None) -> list[int] | None:
    return None if ids is None else sorted(set(ids))


async def feed(database: Database, org_id: int, filters: Filters, page: Page) -> Rows:
    """A page of recognitions, newest first."""
    before = decode_cursor(page.cursor, 2) if page.cursor else (None, None)
    async with database.connection() as connection:
        found = await connection.fetchrow(_FEED, org_id, *filters, *before, page.offset, page.limit)
        total = await connection.fetchval(_TOTAL, org_id, *filters) if page.with_total else None
    documents, last_at, last_id = cast(asyncpg.Record, found)
    return Rows(Raw(documents), total, None if last_id is None else encode_cursor(last_at, last_id))


async def recognition(database: Database, org_id: int, recognition_id: int, *, moderates: bool) -> Document | None:
    """A recognition that the reader may see."""
    async with database.connection() as connection:
        return await recognition_of(connection, org_id, recognition_id, moderates=moderates)


async def recognition_of(tx: Connection, org_id: int, recognition_id: int, *, moderates: bool) -> Document | None:
    """The same within a transaction, or without one."""
    row = await tx.fetchrow(_RECOGNITION, org_id, recognition_id, moderates)
    document, version = cast(asyncpg.Record, row)
    return None if document is None else Document(Raw(document), version)


async def hi5s(database: Database, org_id: int, recognition_id: int, page: Page, *, moderates: bool) -> Rows | None:
    """A page of the hi5s on a recognition, newest first; None when the reader may not see it."""
    before = decode_cursor(page.cursor, 1)[0] if page.cursor else None
    async with database.connection() as connection:
        row = await connection.fetchrow(_HI5S, org_id, recognition_id, moderates, before, page.offset, page.limit)
    documents, total, last_id = cast(asyncpg.Record, row)
    if documents is None:
        return None
    return Rows(Raw(documents), total if page.with_total else None, None if last_id is None else encode_cursor(last_id))
