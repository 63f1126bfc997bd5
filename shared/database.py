"""PostgreSQL, as a service sees it: its own role, its own schema, one tenant a transaction."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import asyncpg

from shared.deadline import within
from shared.errors import Unavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Bare: TypeAlias = asyncpg.Connection[asyncpg.Record]
    Pooled: TypeAlias = PoolConnectionProxy[asyncpg.Record]
    Connection: TypeAlias = Bare | Pooled
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Bare = Connection = asyncpg.Connection
    Pool = asyncpg.Pool

ACQUIRE_SECONDS = 0.9
CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 3.0
IDLE_SECONDS = 60.0
"""Who is in between may have forgotten a connection that nobody used for so long."""
MOST_USES = 50_000
"""After so many a connection is made anew, and what its server process has gathered is given back."""
LOCK_SECONDS = 1.0
SHORTEST_LOCK_SECONDS = 0.05
SOON_SECONDS = 0.1
"""A connection that comes so soon leaves the time for locks as it is: nothing more has to be said to the server."""
SAFE_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
SETTINGS = {
    "statement_timeout": "2s",
    "lock_timeout": f"{LOCK_SECONDS:.0f}s",
    "idle_in_transaction_session_timeout": "5s",
    "timezone": "UTC",
    "jit": "off",
}

DATABASE_IS_AWAY: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # spoken to between the server's last words and the end of the stream
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.InvalidAuthorizationSpecificationError,  # until who changed the role's password tells the service
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.PostgresSystemError,
    OSError,
    TimeoutError,
    Unavailable,
)
"""What an await on the database raises when the same request may succeed later; answered as 503."""


class _Connection(Bare):
    """Its commands end within `COMMAND_SECONDS`; asyncpg's `command_timeout` would set a timer for each."""

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> str:
        with within(timeout or COMMAND_SECONDS):
            return await super().execute(query, *arguments)

    async def executemany(
        self, command: str, arguments: Iterable[Sequence[Any]], *, timeout: float | None = None
    ) -> None:
        with within(timeout or COMMAND_SECONDS):
            await super().executemany(command, arguments)

    async def fetch(self, query: str, *arguments: Any, timeout: float | None = None, **options: Any) -> Any:
        with within(timeout or COMMAND_SECONDS):
            return await super().fetch(query, *arguments, **options)

    async def fetchrow(self, query: str, *arguments: Any, timeout: float | None = None, **options: Any) -> Any:
        with within(timeout or COMMAND_SECONDS):
            return await super().fetchrow(query, *arguments, **options)

    async def fetchval(self, query: str, *arguments: Any, column: int = 0, timeout: float | None = None) -> Any:
        with within(timeout or COMMAND_SECONDS):
            return await super().fetchval(query, *arguments, column=column)


@dataclass(slots=True)
class _Kept:
    """A connection of the pool that was used so often, the last time at `since`."""

    connection: Pooled
    uses: int = 0
    since: float = field(default_factory=time.monotonic)

    def is_clean(self) -> bool:
        """Whether it is open and in no transaction; one that the server ends is out of the pool's hands at once."""
        try:
            return not self.connection.is_closed() and not self.connection.is_in_transaction()
        except asyncpg.InterfaceError:
            return False

    def is_fresh(self) -> bool:
        """Whether somebody used it lately."""
        return time.monotonic() - self.since < IDLE_SECONDS


class _Lease(AbstractAsyncContextManager[Connection]):
    """What `Database.connection` returns; as a generator it would cost several times as much."""

    __slots__ = ("_database", "_kept")
    _kept: _Kept

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __aenter__(self) -> Connection:
        self._kept = await self._database.lend()
        return self._kept.connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._database.take_back(self._kept, failed=kind is not None)


class Database:
    """A pool of connections of one service's role, handed out first come, first served.

    A connection that comes back clean is kept at hand: through the pool it would cost more than a short statement.
    """

    def __init__(self, pool: Pool, size: int) -> None:
        self._pool = pool
        self._places = asyncio.Semaphore(size)
        self._at_hand: list[_Kept] = []

    @classmethod
    async def connect(
        cls, url: str, *, schema: str, size: int = 8, application_name: str = "peerly", **settings: str
    ) -> Self:
        """Opens the pool; `settings` override the session's own. Raises `OSError` or `PostgresError`."""
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            timeout=CONNECT_SECONDS,
            connection_class=_Connection,
            max_inactive_connection_lifetime=IDLE_SECONDS,
            reset=_keep_session,
            server_settings={**SETTINGS, "search_path": schema, "application_name": application_name, **settings},
        )
        return cls(pool, size)

    async def close(self) -> None:
        """Waits for connections in use, five seconds at most, then cuts them."""
        try:
            async with asyncio.timeout(5):
                while self._at_hand:
                    await self._pool.release(self._at_hand.pop().connection)
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """A connection outside of any transaction and tenant; `Unavailable` after nearly a second without one."""
        return _Lease(self)

    async def lend(self) -> _Kept:
        """A connection, to be given back. Raises `Unavailable`."""
        await self._wait_for_place()
        try:
            while self._at_hand:
                kept = self._at_hand.pop()
                if kept.is_clean():
                    if kept.is_fresh():
                        return kept
                    kept.connection.terminate()
                await self._pool.release(kept.connection)
            return _Kept(await self._pool.acquire(timeout=ACQUIRE_SECONDS))
        except BaseException:
            self._places.release()
            raise

    async def take_back(self, kept: _Kept, *, failed: bool) -> None:
        """Keeps what is as it was lent; the pool mends or replaces the rest."""
        kept.uses += 1
        try:
            if failed or kept.uses >= MOST_USES or not kept.is_clean():
                await self._pool.release(kept.connection)
            else:
                kept.since = time.monotonic()
                self._at_hand.append(kept)
        finally:
            self._places.release()

    async def _wait_for_place(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            with within(ACQUIRE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable("All database connections are in use; try again in a moment") from None

    @asynccontextmanager
    async def transaction(
        self,
        org_id: int | None = None,
        *,
        request_id: str | None = None,
        actor_id: int | None = None,
        read_only: bool = False,
    ) -> AsyncIterator[Connection]:
        """One transaction for one tenant, no tenant's row without `org_id`. Commits unless the body raises.

        `actor_id` is the user who is named in the history of what it changes. Who has waited for a connection waits the
        less for locks, so that a client hears within little more than a second that it is to come again.
        """
        began = time.monotonic()
        async with self.connection() as connection:
            try:
                begin = begin_statement(org_id, request_id, actor_id, read_only=read_only)
                await connection.execute(begin + _lock_limit(time.monotonic() - began))
                yield connection
            except BaseException:
                await _roll_back(connection)
                raise
            await connection.execute("COMMIT")

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Connection]:
        """A connection for one statement that is a transaction by itself; about locks as in `transaction`."""
        began = time.monotonic()
        async with self.connection() as connection:
            limit = _lock_limit(time.monotonic() - began)
            if not limit:
                yield connection
                return
            try:
                await connection.execute(f"BEGIN{limit}")
                yield connection
            except BaseException:
                await _roll_back(connection)
                raise
            await connection.execute("COMMIT")

    async def fetch_value(self, query: str, *arguments: Any) -> Any:
        """The first column of the first row of one statement, in one round trip."""
        async with self.connection() as connection:
            return await connection.fetchval(query, *arguments)


def begin_statement(
    org_id: int | None, request_id: str | None = None, actor_id: int | None = None, *, read_only: bool = False
) -> str:
    """Begins a transaction and names its tenant, request and actor in the same round trip.

    The simple protocol takes no parameters; all values are of forms that need no quoting.
    """
    parts = ["BEGIN READ ONLY" if read_only else "BEGIN"]
    if org_id is not None:
        parts.append(f"SET LOCAL app.org_id = '{int(org_id)}'")
    if request_id is not None and SAFE_REQUEST_ID.fullmatch(request_id):
        parts.append(f"SET LOCAL app.request_id = '{request_id}'")
    if actor_id is not None:
        parts.append(f"SET LOCAL app.actor_id = '{int(actor_id)}'")
    return "; ".join(parts)


def _lock_limit(waited: float) -> str:
    """What is left of the time for locks when a connection took so long; as nearly always, nothing is to be said."""
    if waited < SOON_SECONDS:
        return ""
    left = max(SHORTEST_LOCK_SECONDS, LOCK_SECONDS - waited)
    return f"; SET LOCAL lock_timeout = {int(left * 1000)}"


async def _roll_back(connection: Connection) -> None:
    try:
        await connection.execute("ROLLBACK", timeout=1)
    except DATABASE_IS_AWAY:
        connection.terminate()


async def _keep_session(connection: Connection) -> None:
    """All is set with SET LOCAL, so a returned connection needs no reset query; one left in a transaction is cut."""
    if connection.is_in_transaction():
        connection.terminate()
