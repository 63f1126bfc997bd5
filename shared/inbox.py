"""The one way in: each event is handled once, in one transaction with what its handler writes."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar
from uuid import UUID

import asyncpg

from shared.clock import Clock
from shared.contracts import Event
from shared.database import Connection, Database
from shared.envelope import Received
from shared.failpoints import failpoint
from shared.telemetry import REQUEST_ID, log

Handler = Callable[[Connection, Received[Any]], Awaitable[None]]
Handlers = Mapping[type[Event], Handler]
Kept = Literal["handled", "duplicate", "parked", "dead"]
"""What became of an event."""

HANDLER_SECONDS = 5.0
TURN_SECONDS = 6.0
"""How long an event waits for another process of its service, which handles its own; shorter than any delivery."""
MAX_TRIES = 12
FIRST_PAUSE = timedelta(milliseconds=500)
LONGEST_PAUSE = timedelta(minutes=1)
SHORTEST_WAIT = timedelta(minutes=1)
LONGEST_WAIT = timedelta(hours=1)
MAX_REASON = 2_000
FORGED = "forged: "

_CLAIM = "SELECT claim_event($1, $2, $3, $4, $5, $6, $7)"
_PARK = "SELECT park_event($1, $2, $3, $4, $5, $6, $7, $8)"
_NOTE = "SELECT note_position($1, $2, $3, int8multirange(int8range($4, $4, '[]')), $4, $5)"
_BURY = "INSERT INTO dead (event_id, type, body, reason) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"

T = TypeVar("T")

_released: ContextVar[Callable[[], None]] = ContextVar("released")


class MissingPrerequisite(Exception):
    """A handler needs something that has not arrived: the event waits until `arrived` is called with this key."""

    def __init__(self, key: str, reason: str = "") -> None:
        self.key = key
        super().__init__(reason or f"waits for {key}")


class NeverAcceptable(Exception):
    """A handler's word that no waiting helps: the event is dead at once, with this reason."""


class DatabaseAway(Exception):
    """Nothing can be kept now: the same event has to be delivered again."""


class NotMyTurn(Exception):
    """Another process of this service handles an event: nothing was tried yet, and nothing has failed."""


async def arrived(tx: Connection, key: str) -> None:
    """Releases the events that wait for `key`, when this transaction commits."""
    if await tx.fetchval("SELECT arrive($1)", key):
        released()


def released() -> None:
    """What `arrived` says after `arrive` in SQL has found events that wait: they are tried as soon as this commits."""
    _released.get(_nobody_listens)()


def _nobody_listens() -> None:
    """Outside of a handler the consumer finds what was released when it polls."""


class Inbox:
    """Handles or keeps one event of one service at a time; `released` is called when a handler released parked ones."""

    def __init__(self, database: Database, handlers: Handlers, clock: Clock, released: Callable[[], None]) -> None:
        self._database = database
        self._handlers = handlers
        self._clock = clock
        self._released = released

    async def handle(self, received: Received[Event], body: bytes, *, from_parked: bool = False) -> Kept:
        """Returns when the event is safe, and how; raises `DatabaseAway`."""
        return await in_turn(lambda: self._handle(received, body, from_parked))

    async def _handle(self, received: Received[Event], body: bytes, from_parked: bool) -> Kept:
        try:
            async with asyncio.timeout(HANDLER_SECONDS):
                try:
                    return await self._attempt(received, from_parked)
                except MissingPrerequisite as missing:
                    return await self._attempt_again(received, body, missing, from_parked)
        except NotMyTurn:
            raise
        except Exception as error:
            return await self._keep_failed(received, body, error)

    async def _attempt(self, received: Received[Event], from_parked: bool) -> Kept:
        async with self._database.transaction(received.org_id, request_id=received.request_id) as tx:
            kept = await self._claim_and_run(tx, received, from_parked)
            if kept == "handled":
                failpoint("inbox.before_commit")
        if kept == "handled":
            failpoint("inbox.after_commit")
        return kept

    async def _claim_and_run(self, tx: Connection, received: Received[Event], from_parked: bool) -> Kept:
        wire = (received.id, received.publisher, received.type, received.epoch, received.position)
        with claiming():
            claimed = await tx.fetchval(_CLAIM, *wire, self._clock(), from_parked)
        if not claimed:
            return "duplicate"
        await self._run(tx, received)
        return "handled"

    async def _run(self, tx: Connection, received: Received[Event]) -> None:
        failpoint("inbox.handle", received.subject)
        released, request = _released.set(self._released), REQUEST_ID.set(received.request_id)
        try:
            await self._handlers[type(received.event)](tx, received)
        finally:
            _released.reset(released)
            REQUEST_ID.reset(request)

    async def _attempt_again(
        self, received: Received[Event], body: bytes, missing: MissingPrerequisite, from_parked: bool
    ) -> Kept:
        """Looks again under the lock that `arrived` takes, so that nothing arrives between looking and parking.

        The turn comes before that lock, as it does for the handlers that call `arrived`.
        """
        async with self._database.transaction(received.org_id, request_id=received.request_id) as tx:
            with claiming():
                await tx.execute("SELECT lock_inbox()")
            return await self._run_or_park(tx, received, body, missing, from_parked)

    async def _run_or_park(
        self, tx: Connection, received: Received[Event], body: bytes, missing: MissingPrerequisite, from_parked: bool
    ) -> Kept:
        locked: set[str] = set()
        while missing.key not in locked:
            await tx.execute("SELECT lock_arrival($1)", missing.key)
            locked.add(missing.key)
            await tx.execute("SAVEPOINT attempt")
            try:
                return await self._claim_and_run(tx, received, from_parked)
            except MissingPrerequisite as still_missing:
                await tx.execute("ROLLBACK TO SAVEPOINT attempt")
                missing = still_missing
        return await self._keep(tx, received, body, missing)

    async def _keep_failed(self, received: Received[Event], body: bytes, error: Exception) -> Kept:
        async with self._transaction(f"{received.type} {received.id}") as tx:
            return await self._keep(tx, received, body, error)

    async def _keep(self, tx: Connection, received: Received[Event], body: bytes, error: Exception) -> Kept:
        """Parks an event whose handler failed, or buries it after the last try or when no further one can succeed."""
        now = self._clock()
        await note(tx, received, now)
        known = await tx.fetchrow("SELECT tries, parked_at FROM parked WHERE event_id = $1", received.id)
        tries, since = (known["tries"], known["parked_at"]) if known else (0, now)
        if not isinstance(error, MissingPrerequisite):
            _say(received, tries, error)
        if isinstance(error, MissingPrerequisite):
            again = now + wait_after(now - since)
            await tx.execute(_PARK, received.id, received.type, body, error.key, reason_of(error), tries, now, again)
        elif tries + 1 < MAX_TRIES and not isinstance(error, NeverAcceptable):
            again = now + pause_after(tries)
            await tx.execute(_PARK, received.id, received.type, body, None, reason_of(error), tries + 1, now, again)
        else:
            await bury(tx, body, reason_of(error), received)
            return "dead"
        return "parked"

    async def bury(self, body: bytes, reason: str, received: Received[Event] | None) -> None:
        """Keeps what nobody can handle for a person to look at; raises `DatabaseAway`."""
        async with self._transaction("a dead event") as tx:
            await bury(tx, body, reason, received)
            if received is not None:
                await note(tx, received, self._clock())

    async def note(self, received: Received[Event]) -> None:
        """Counts the position of an event that is kept elsewhere; raises `DatabaseAway`."""
        async with self._transaction("a position") as tx:
            await note(tx, received, self._clock())

    async def bury_parked(self, event_id: UUID, body: bytes, reason: str) -> None:
        """Moves a parked event that can no longer be read; raises `DatabaseAway`."""
        async with self._transaction("a dead event") as tx:
            await bury(tx, body, reason, None)
            await tx.execute("DELETE FROM parked WHERE event_id = $1", event_id)

    @asynccontextmanager
    async def _transaction(self, what: str) -> AsyncIterator[Connection]:
        try:
            async with self._database.transaction() as tx:
                yield tx
        except Exception as failure:
            raise DatabaseAway(f"{what} cannot be kept: {failure!r}") from failure


@contextmanager
def claiming() -> Iterator[None]:
    """The first that a transaction asks for is its turn, so no lock is missed here but this one."""
    try:
        yield
    except asyncpg.LockNotAvailableError as error:
        raise NotMyTurn from error


async def in_turn(attempt: Callable[[], Awaitable[T]]) -> T:
    """Tries anew until the turn comes; raises `DatabaseAway` when it does not."""
    deadline = asyncio.get_running_loop().time() + TURN_SECONDS
    while True:
        try:
            return await attempt()
        except NotMyTurn as error:
            if asyncio.get_running_loop().time() > deadline:
                raise DatabaseAway("another process of this service does not end its turn") from error


def _say(received: Received[Event], tries: int, error: Exception) -> None:
    """Where it failed and the first line of why; more might hold what belongs in no log."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    log(
        "an event could not be handled",
        level=logging.WARNING,
        type=received.type,
        id=received.id,
        tries=tries + 1,
        reason=reason_of(error).partition("\n")[0],
        where=f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "",
    )


async def bury(tx: Connection, body: bytes, reason: str, received: Received[Event] | None) -> None:
    """Moves an event to the service's dead table."""
    event_id: UUID | None = received.id if received else None
    await tx.execute(_BURY, event_id, received.type if received else None, body, reason)
    await tx.execute("DELETE FROM parked WHERE event_id = $1", event_id)


async def note(tx: Connection, received: Received[Event], now: datetime) -> None:
    """Counts the event's position as arrived, handled or not."""
    if received.position is not None:
        await tx.execute(_NOTE, received.publisher, received.type, received.epoch, received.position, now)


def pause_after(failures: int) -> timedelta:
    """How long a failing event rests; twelve tries take about five minutes."""
    return min(FIRST_PAUSE * (1 << failures), LONGEST_PAUSE)


def wait_after(waited: timedelta) -> timedelta:
    """When to look again for a prerequisite that nobody announced."""
    return min(max(waited, SHORTEST_WAIT), LONGEST_WAIT)


def reason_of(error: Exception) -> str:
    """What the parked and dead tables say about a failure; PostgreSQL stores no NUL."""
    text = str(error) if isinstance(error, MissingPrerequisite) else f"{type(error).__name__}: {error}"
    return text.replace("\0", "\\0")[:MAX_REASON]
