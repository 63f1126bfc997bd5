"""The one way out: events are written in the transaction of the change that they tell of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from shared.contracts import Event, encode
from shared.database import Connection, Database

LOOK_SECONDS = 0.02

_IN_BULK = "SET LOCAL app.bulk = 'on'"

_APPEND = """
INSERT INTO outbox (type, subject, data)
SELECT event.type, event.subject, event.data::jsonb
FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS event (type, subject, data, place)
ORDER BY event.place
RETURNING event_id
"""

_ALL_SENT = "SELECT NOT EXISTS (SELECT FROM outbox WHERE event_id = ANY($1::uuid[]) AND sent_at IS NULL)"

_NONE_WAITS = """
SELECT NOT EXISTS (SELECT FROM outbox WHERE position IS NULL AND org_id = $1 AND type = $2)
    AND NOT EXISTS (SELECT FROM outbox WHERE sent_at IS NULL AND position IS NOT NULL AND org_id = $1 AND type = $2)
"""


async def in_bulk(tx: Connection) -> None:
    """Makes the transaction's events from here on wait for those of everybody else: they are very many."""
    await tx.execute(_IN_BULK)


async def append(tx: Connection, *events: Event) -> list[UUID]:
    """Keeps the events for the relay; tenant and request are those of the transaction. Returns the events' ids."""
    rows = await tx.fetch(
        _APPEND,
        [event.TYPE for event in events],
        [event.subject for event in events],
        [orjson.dumps(encode(event)).decode() for event in events],
    )
    return [row["event_id"] for row in rows]


async def all_sent(database: Database, event_ids: Sequence[UUID], within: float) -> bool:
    """Waits until the transport has confirmed these events, `within` seconds at most; tells whether it has."""
    return await _comes_true(database, within, _ALL_SENT, list(event_ids))


async def none_waits(database: Database, org_id: int, kind: type[Event], within: float) -> bool:
    """The same for all events of a kind that a tenant's transactions have written until now."""
    return await _comes_true(database, within, _NONE_WAITS, org_id, kind.TYPE)


async def _comes_true(database: Database, within: float, query: str, *arguments: Any) -> bool:
    try:
        async with asyncio.timeout(within):
            while not await database.fetch_value(query, *arguments):
                await asyncio.sleep(LOOK_SECONDS)
    except TimeoutError:
        return False
    return True
