"""Takes events from a service's outbox to the transport: in order per subject, at least once, never around a crash.

Bulk rows (those of an import) go in small slices beside the others, which never wait behind them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any

from shared.bus.message import Bus, Message, Refused, Unconfirmed, Unroutable, replay_key
from shared.clock import Clock
from shared.contracts.platform import Head, OutboxHead
from shared.database import Connection, Database
from shared.envelope import Recorded, seal
from shared.failpoints import failpoint
from shared.held import Held
from shared.replay import control_message
from shared.telemetry import EVENTS_PUBLISHED, UNSENT, log

BATCH = 100
BATCH_SECONDS = 8.0
LONGEST_PAUSE = 2.0
UNROUTABLE_PAUSE = timedelta(seconds=5)
BULK_BATCH = 50
BULK_SECONDS = 0.2
"""Together at most 250 bulk events a second, well below what a consumer handles: its queue stays short, so that a fresh
event is handled at once. A hundred thousand take seven minutes."""
COUNT_SECONDS = 1.0
REMIND_EVERY = timedelta(seconds=60)

_COLUMNS = (
    "id, event_id, org_id, type, subject, data::text AS data, request_id, occurred_at, position,"
    " (SELECT epoch FROM outbox_epoch) AS epoch"
)

_RECORDED = ("org_id", "type", "subject", "occurred_at", "data", "request_id", "position", "epoch")

_NEXT = f"""
SELECT {_COLUMNS} FROM outbox
WHERE bulk = $2 AND sent_at IS NULL AND position IS NOT NULL AND (retry_at IS NULL OR retry_at <= clock_timestamp())
ORDER BY id LIMIT $1
"""  # noqa: S608

_FIRST = f"""
SELECT {_COLUMNS} FROM outbox AS first
WHERE type = $1 AND sent_at IS NULL AND position IS NOT NULL AND NOT EXISTS (
    SELECT FROM outbox AS earlier
    WHERE earlier.subject = first.subject AND earlier.id < first.id
        AND earlier.sent_at IS NULL AND earlier.position IS NOT NULL
)
ORDER BY id LIMIT 1
"""  # noqa: S608

_UNSENT = """
SELECT (SELECT count(*) FROM outbox WHERE position IS NULL)
    + (SELECT count(*) FROM outbox WHERE sent_at IS NULL AND position IS NOT NULL)
"""
_SENT = "UPDATE outbox SET sent_at = clock_timestamp() WHERE id = ANY($1::bigint[])"
_LATER = "UPDATE outbox SET retry_at = clock_timestamp() + $2 WHERE id = ANY($1::bigint[])"

_KEPT = f"""
SELECT {_COLUMNS} FROM (
    (SELECT * FROM outbox WHERE id > $1 AND id <= $2 AND type = ANY($3::text[]) AND position >= $4
        AND ($5::bigint IS NULL OR position <= $5) ORDER BY id LIMIT $6)
    UNION ALL
    (SELECT * FROM outbox_archive WHERE id > $1 AND id <= $2 AND type = ANY($3::text[]) AND position >= $4
        AND ($5::bigint IS NULL OR position <= $5) ORDER BY id LIMIT $6)
) AS kept
ORDER BY id LIMIT $6
"""  # noqa: S608


_REPLAY = "SELECT * FROM replays WHERE 'replay.' || consumer <> ALL($1::text[]) ORDER BY id LIMIT 1"


@dataclass(slots=True)
class Outcome:
    """What became of one batch, by the rows' ids; `refused` are routing keys."""

    sent: list[int] = field(default_factory=list)
    unroutable: list[int] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    failure: Exception | None = None


class Relay:
    """One of them leads per service, whatever the number of processes; `wake` it after a commit."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        publisher: str,
        clock: Clock,
        *,
        poll_seconds: float = 0.2,
        head_every: timedelta = timedelta(seconds=10),
    ) -> None:
        self._database = database
        self._bus = bus
        self._publisher = publisher
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._head_every = head_every
        self._head_due: datetime | None = None
        self._work = asyncio.Event()
        self._failures = 0
        self._held = Held(self.wake)
        self._remind_due: datetime | None = None
        self._bulk_due = self._count_due = monotonic()
        self._unsent = 0

    def wake(self) -> None:
        """There may be something in the outbox now."""
        self._work.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop`, then sends once more what is there."""
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._work.clear()
                if not await self._guarded_round():
                    await self._rest(stopped)
            with suppress(Exception):
                await self._round()
        finally:
            stopped.cancel()
            await self._held.close()

    async def _rest(self, stopped: asyncio.Task[Any]) -> None:
        if self._failures:
            pause = min(self._poll_seconds * 2**self._failures, LONGEST_PAUSE)
            await asyncio.wait([stopped], timeout=pause)
            return
        work = asyncio.create_task(self._work.wait())
        try:
            await asyncio.wait([stopped, work], timeout=self._poll_seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()

    async def _guarded_round(self) -> bool:
        try:
            busy = await self._round()
        except Exception as error:
            self._note_failure(error)
            return False
        if self._failures:
            log("publishing again", service=self._publisher, failures=self._failures)
            self._failures = 0
            self._remind_due = None
        return busy

    async def _round(self) -> bool:
        """One look at everything there is to send; tells whether there may be more."""
        await self._count_unsent()
        await self._bus.connect()
        await self._try_held()
        busy = await self._send(BATCH, bulk=False)
        await self._send_bulk()
        busy |= await self._send_kept()
        await self._send_heads()
        return busy

    async def _count_unsent(self) -> None:
        """Before anything is sent, so that the count is right while nothing can be."""
        if monotonic() < self._count_due:
            return
        self._count_due = monotonic() + COUNT_SECONDS
        self._unsent = await self._database.fetch_value(_UNSENT)
        UNSENT.labels(self._publisher).set(self._unsent)

    def _note_failure(self, error: Exception) -> None:
        now = self._clock()
        if self._remind_due is None or now >= self._remind_due:
            self._remind_due = now + REMIND_EVERY
            log(
                "publishing pauses, events stay in the outbox",
                level=logging.WARNING,
                service=self._publisher,
                unsent=self._unsent,
                reason=repr(error),
            )
        self._failures = min(self._failures + 1, 10)

    async def _try_held(self) -> None:
        """Publishes one event of each held type whose pause is over; it goes again with the others when it went."""
        for wire_type in self._held.due:
            async with self._database.connection() as connection:
                row = await connection.fetchrow(_FIRST, wire_type)
            if row is not None:
                self._held.attempt(wire_type, self._bus.publish(self._message(row, wire_type)))

    async def _send_bulk(self) -> None:
        """A slice of the bulk rows, when the pause after the last one is over."""
        if monotonic() >= self._bulk_due:
            self._bulk_due = monotonic() + BULK_SECONDS
            await self._send(BULK_BATCH, bulk=True)

    async def _send(self, batch: int, *, bulk: bool) -> bool:
        if not await self._database.fetch_value("SELECT number_outbox($1, $2)", batch, bulk):
            return False
        return await self._lead(partial(self._send_batch, batch, bulk))

    async def _lead(self, work: Callable[[Connection, Outcome], Awaitable[bool]]) -> bool:
        """Runs a batch when this relay leads; what was confirmed is marked before a failure is raised."""
        outcome = Outcome()
        async with self._database.transaction() as tx:
            busy = bool(await tx.fetchval("SELECT lead_outbox()")) and await work(tx, outcome)
            failpoint("relay.before_mark")
        failpoint("relay.after_mark")
        if outcome.failure is not None:
            raise outcome.failure
        return busy

    async def _send_batch(self, batch: int, bulk: bool, tx: Connection, outcome: Outcome) -> bool:
        await self._held.keep_back(tx)
        rows = await tx.fetch(_NEXT, batch, bulk)
        await self._publish([(row["id"], row["subject"], self._message(row, row["type"])) for row in rows], outcome)
        failpoint("relay.after_publish")
        if outcome.sent:
            await tx.execute(_SENT, outcome.sent)
        if outcome.unroutable:
            await tx.execute(_LATER, outcome.unroutable, UNROUTABLE_PAUSE)
        return bool(outcome.sent)

    def _message(self, row: Any, routing_key: str) -> Message:
        values = {name: row[name] for name in _RECORDED}
        recorded = Recorded(id=row["event_id"], **values)
        return Message(recorded.id, self._publisher, routing_key, seal(recorded, self._publisher))

    async def _publish(self, messages: Sequence[tuple[int, str, Message]], outcome: Outcome) -> None:
        """Subjects side by side, the events of one subject one after the other."""
        subjects: dict[str, list[tuple[int, Message]]] = {}
        for row_id, subject, message in messages:
            subjects.setdefault(subject, []).append((row_id, message))
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                await asyncio.gather(*(self._publish_in_order(chain, outcome) for chain in subjects.values()))
        except TimeoutError:
            if not outcome.sent:
                outcome.failure = Unconfirmed("nothing was confirmed within the batch's time")

    async def _publish_in_order(self, chain: Sequence[tuple[int, Message]], outcome: Outcome) -> None:
        for row_id, message in chain:
            if outcome.failure is not None:
                return
            try:
                await self._bus.publish(message)
            except Unroutable as error:
                outcome.unroutable.append(row_id)
                log(
                    "no queue takes an event; is the topology declared?",
                    level=logging.ERROR,
                    service=self._publisher,
                    type=message.routing_key,
                    reason=str(error),
                )
                return
            except Refused as error:
                self._note_refusal(message.routing_key, outcome, error)
                return
            except Unconfirmed as error:
                outcome.failure = error
            else:
                outcome.sent.append(row_id)
                EVENTS_PUBLISHED.labels(self._publisher, message.routing_key).inc()

    def _note_refusal(self, routing_key: str, outcome: Outcome, error: Refused) -> None:
        outcome.refused.add(routing_key)
        if self._held.refused(routing_key):
            log(
                "a queue takes nothing, its events wait",
                level=logging.WARNING,
                service=self._publisher,
                type=routing_key,
                reason=str(error),
            )

    async def _send_kept(self) -> bool:
        """Sends the next batch of the oldest replay."""
        if not await self._database.fetch_value("SELECT EXISTS (SELECT FROM replays)"):
            return False
        return await self._lead(self._replay_batch)

    async def _replay_batch(self, tx: Connection, outcome: Outcome) -> bool:
        replay = await tx.fetchrow(_REPLAY, self._held.waiting)
        if replay is None:
            return False
        rows = await tx.fetch(
            _KEPT,
            replay["sent_id"],
            replay["last_id"],
            replay["types"],
            replay["first_position"],
            replay["last_position"],
            BATCH,
        )
        key = replay_key(replay["consumer"])
        await self._publish([(row["id"], row["subject"], self._message(row, key)) for row in rows], outcome)
        if outcome.sent and not outcome.refused:
            self._held.taken([key])
        if len(outcome.sent) < len(rows) and not outcome.unroutable:
            return bool(outcome.sent)
        if len(rows) < BATCH:
            await tx.execute("DELETE FROM replays WHERE id = $1", replay["id"])
        else:
            await tx.execute("UPDATE replays SET sent_id = $2 WHERE id = $1", replay["id"], rows[-1]["id"])
        return True

    async def _send_heads(self) -> None:
        now = self._clock()
        if (self._head_due is not None and now < self._head_due) or self._held.waits(OutboxHead.TYPE):
            return
        self._head_due = now + self._head_every
        await self._lead(self._publish_heads)

    async def _publish_heads(self, tx: Connection, outcome: Outcome) -> bool:
        rows = await tx.fetch("SELECT type, position FROM sent_heads() WHERE position > 0 ORDER BY type")
        if rows:
            epoch = await tx.fetchval("SELECT epoch FROM outbox_epoch")
            heads = tuple(Head(type=row["type"], position=row["position"]) for row in rows)
            event = OutboxHead(publisher=self._publisher, epoch=epoch, heads=heads)
            await self._publish_head(control_message(event, self._publisher, self._clock()), outcome)
        return False

    async def _publish_head(self, message: Message, outcome: Outcome) -> None:
        if OutboxHead.TYPE in self._held.due:
            self._held.attempt(OutboxHead.TYPE, self._bus.publish(message))
            return
        try:
            await self._bus.publish(message)
        except Refused as error:
            self._note_refusal(message.routing_key, outcome, error)
