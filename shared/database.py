"""PostgreSQL, as a service sees it: its own role, its own schema, one tenant a transaction."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import asyncpg

from shared.errors import Unavailable

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool

ACQUIRE_SECONDS = 0.9
CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 3.0
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


class Database:
    """A pool of connections of one service's role, handed out first come, first served."""

    def __init__(self, pool: Pool, size: int) -> None:
        self._pool = pool
        self._places = asyncio.Semaphore(size)

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
            command_timeout=COMMAND_SECONDS,
            max_inactive_connection_lifetime=60,
            reset=_keep_session,
            server_settings={**SETTINGS, "search_path": schema, "application_name": application_name, **settings},
        )
        return cls(pool, size)

    async def close(self) -> None:
        """Waits for connections in use, five seconds at most, then cuts them."""
        try:
            async with asyncio.timeout(5):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection outside of any transaction and tenant; `Unavailable` after nearly a second without one."""
        try:
            async with asyncio.timeout(ACQUIRE_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise Unavailable("All database connections are in use; try again in a moment") from None
        try:
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                yield connection
        finally:
            self._places.release()

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
