"""Lost events are noticed and sent again: the consumer asks for missing positions, the publisher queues the request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import orjson

from shared.bus.message import Message
from shared.contracts import PUBLISHERS, Event, encode
from shared.contracts.platform import EventsRequested, OutboxHead
from shared.database import Connection
from shared.envelope import Received, Recorded, seal

MAX_HOLES = 10

_OVERDUE = """
UPDATE inbox_positions SET asked = asked + 1, asked_at = $1::timestamptz
WHERE missing_since <= $1::timestamptz - $2::interval
    AND (asked_at IS NULL OR asked_at <= $1::timestamptz - $2::interval * least(asked, 20))
RETURNING publisher, type, head, (
    SELECT array_agg(ARRAY[lower(hole), upper(hole) - 1] ORDER BY lower(hole)) FROM (
        SELECT hole FROM unnest(int8multirange(int8range(missing, head, '[]')) - positions) AS hole LIMIT $3
    ) AS holes
) AS holes
"""

_ENQUEUE = """
INSERT INTO replays (consumer, types, first_position, last_position, last_id)
SELECT $1, $2::text[], $3, $4, max(id)
FROM (SELECT max(id) AS id FROM outbox UNION ALL SELECT max(id) FROM outbox_archive) AS kept
WHERE NOT EXISTS (
    SELECT FROM replays
    WHERE consumer = $1 AND types @> $2::text[] AND first_position <= $3
        AND (last_position IS NULL OR last_position >= $4::bigint)
)
HAVING max(id) IS NOT NULL
"""


async def note_heads(tx: Connection, received: Received[OutboxHead], handled: Collection[str], now: datetime) -> None:
    """Learns how far the publisher has come with the types that are handled here."""
    for head in received.event.heads:
        if head.type in handled:
            await tx.execute(
                "SELECT note_position($1, $2, $3, '{}', $4, $5)",
                received.publisher,
                head.type,
                received.event.epoch,
                head.position,
                now,
            )


async def overdue(tx: Connection, consumer: str, now: datetime, patience: timedelta) -> list[EventsRequested]:
    """What has been missing for too long, as requests to its publishers; each is asked for ever more rarely."""
    return requests(consumer, await tx.fetch(_OVERDUE, now, patience, MAX_HOLES))


def requests(consumer: str, rows: Iterable[Any]) -> list[EventsRequested]:
    """One request for all types of a publisher that miss the same positions; a hole up to the head is left open."""
    types: dict[tuple[str, int, int | None], list[str]] = defaultdict(list)
    for row in rows:
        for first, last in row["holes"] or ():
            types[row["publisher"], first, None if last >= row["head"] else last].append(row["type"])
    return [
        EventsRequested(publisher=publisher, types=tuple(sorted(names)), first=first, last=last, consumer=consumer)
        for (publisher, first, last), names in types.items()
    ]


async def enqueue(tx: Connection, request: EventsRequested) -> None:
    """Keeps a request for the relay; one that a running replay already covers changes nothing."""
    if request.consumer in PUBLISHERS:
        await tx.execute(_ENQUEUE, request.consumer, list(request.types), request.first, request.last)


def control_message(event: Event, publisher: str, now: datetime) -> Message:
    """An event about events: it belongs to no tenant, is kept nowhere, and is repeated when it is lost."""
    recorded = Recorded(uuid4(), 0, event.TYPE, event.subject, now, orjson.dumps(encode(event)).decode())
    return Message(recorded.id, publisher, event.TYPE, seal(recorded, publisher))
