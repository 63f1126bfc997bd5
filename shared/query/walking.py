"""All that a query selects, a page at a time: in little memory, and without a transaction that lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from datetime import datetime

from asyncpg import Record

from shared.database import DATABASE_IS_AWAY
from shared.errors import InvalidData
from shared.http import Call
from shared.query import cursors
from shared.query.asking import Asked
from shared.query.declaration import Kind
from shared.query.routes import as_parameters
from shared.query.searching import resolved
from shared.query.statement import Planned, plan

TRIES = 3
PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Walk:
    """A query that indexes serve, and its first page."""

    asked: Asked
    planned: Planned
    now: datetime


async def walk_of(call: Call, kind: Kind, asked: Asked) -> Walk:
    """Raises `InvalidData` for what no index serves."""
    message, now = call.operation.invalid, call.context.clock()
    try:
        async with call.read() as tx:
            asked = await resolved(tx, kind, asked, message)
            return Walk(asked, plan(kind, asked, now, message), now)
    except InvalidData as refusal:
        raise InvalidData(message, fields=as_parameters(refusal.fields)) from None


async def pages(call: Call, kind: Kind, walk: Walk) -> AsyncGenerator[list[str], None]:
    """The JSON of the rows, as many at once as the asked page has; the first page may be empty.

    Each row that is there from the first page to the last, and keeps its sort keys, comes once. Raises what the
    database raises, for a later page after some tries.
    """
    asked, planned = walk.asked, walk.planned
    async with call.read() as tx:
        rows = await tx.fetch(planned.page.text, *planned.page.values)
    while True:
        yield [row["document"] for row in rows[: asked.page.limit]]
        if len(rows) <= asked.page.limit:
            return
        cursor = cursors.encode(planned.order, tuple(rows[asked.page.limit - 1])[1:])
        page = replace(asked.page, cursor=cursor)
        planned = plan(kind, replace(asked, page=page), walk.now, call.operation.invalid)
        rows = await _patiently(call, planned)


async def _patiently(call: Call, planned: Planned) -> list[Record]:
    for _ in range(TRIES - 1):
        try:
            return await _rows(call, planned)
        except DATABASE_IS_AWAY:
            await asyncio.sleep(PAUSE_SECONDS)
    return await _rows(call, planned)


async def _rows(call: Call, planned: Planned) -> list[Record]:
    async with call.read() as tx:
        return await tx.fetch(planned.page.text, *planned.page.values)
