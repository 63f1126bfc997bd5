"""A service's database on one connection, with the simulator's time, where a process can end at every round trip."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import asyncpg

from shared.clock import Clock
from shared.database import SETTINGS, Connection, Database

SECONDS = 120.0
SESSION = {
    **SETTINGS,
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "synchronous_commit": "off",
    "simulation.now": "2000-01-01T00:00:00+00:00",
}
"""Processes crash here, servers do not: nothing waits for the disk, and nothing for the real time."""


class Crash(BaseException):
    """The process ends here, as by `kill -9`: no handler of errors may see it."""


class CrashPoints:
    """Counts the places at which a process can end; one that is armed ends it once."""

    def __init__(self) -> None:
        self.ended = 0
        self._left: int | None = None

    def arm(self, places: int) -> None:
        self._left = places

    def disarm(self) -> None:
        self._left = None

    def reach(self) -> None:
        """Raises `Crash` where the count ends."""
        if self._left is None:
            return
        if self._left == 0:
            self._left = None
            self.ended += 1
            raise Crash
        self._left -= 1


class Effects:
    """Which events took effect: what a handler did counts when its transaction commits."""

    def __init__(self) -> None:
        self.committed: Counter[UUID] = Counter()
        self._pending: list[UUID] = []

    def handled(self, event_id: UUID) -> None:
        self._pending.append(event_id)

    def commit(self) -> None:
        self.committed.update(self._pending)
        self._pending.clear()

    def roll_back(self) -> None:
        self._pending.clear()

    @property
    def twice(self) -> int:
        return sum(times > 1 for times in self.committed.values())


class Wire:
    """The connection as the service sees it; each statement is one place to crash before, and a commit one after."""

    def __init__(self, raw: asyncpg.Connection[asyncpg.Record], points: CrashPoints) -> None:
        self.raw = raw
        self.clock: Clock | None = None
        self.effects = Effects()
        self._points = points
        self._told: str | None = None

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> str:
        if query == "ROLLBACK":
            self.effects.roll_back()
            return await self.raw.execute(query)
        await self._before()
        if query.startswith("BEGIN"):
            query = f"{query}; SET LOCAL simulation.now = '{self._now()}'"
        status = await self.raw.execute(query, *arguments)
        if query == "COMMIT":
            self.effects.commit()
        self._after()
        return status

    async def fetch(self, query: str, *arguments: Any, timeout: float | None = None) -> list[asyncpg.Record]:
        await self._before()
        rows = await self.raw.fetch(query, *arguments)
        self._after()
        return rows

    async def fetchrow(self, query: str, *arguments: Any, timeout: float | None = None) -> asyncpg.Record | None:
        await self._before()
        row = await self.raw.fetchrow(query, *arguments)
        self._after()
        return row

    async def fetchval(self, query: str, *arguments: Any, timeout: float | None = None) -> Any:
        await self._before()
        value = await self.raw.fetchval(query, *arguments)
        self._after()
        return value

    async def abandon(self) -> None:
        """What the server does when the process at the other end is gone."""
        self.effects.roll_back()
        if self.raw.is_in_transaction():
            await self.raw.execute("ROLLBACK")

    def _now(self) -> str:
        assert self.clock is not None, "a world sets the clock"
        return self.clock().isoformat()

    async def _before(self) -> None:
        self._points.reach()
        if not self.raw.is_in_transaction():
            now = self._now()
            if now != self._told:
                await self.raw.execute(f"SET simulation.now = '{now}'")
                self._told = now

    def _after(self) -> None:
        if not self.raw.is_in_transaction():
            self._points.reach()


async def connect(url: str, schema: str) -> asyncpg.Connection[asyncpg.Record]:
    """As a service, with the simulator's clock before the server's."""
    return await asyncpg.connect(
        url,
        timeout=30,
        command_timeout=SECONDS,
        statement_cache_size=1_000,
        max_cached_statement_lifetime=0,
        server_settings={**SESSION, "search_path": f"{schema}, simulation, pg_catalog"},
    )


class SimulatedDatabase(Database):
    """The shipped transactions on one connection that is never given back."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    @classmethod
    async def open(cls, url: str, schema: str, points: CrashPoints) -> SimulatedDatabase:
        return cls(Wire(await connect(url, schema), points))

    async def close(self) -> None:
        await self.wire.raw.close(timeout=10)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        yield cast(Connection, self.wire)
