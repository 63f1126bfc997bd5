"""The services' databases, as the demo plays on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from shared.clock import Clock
from shared.database import Database
from shared.identity import Principal, Role
from shared.identity.roles import PERMISSIONS

T = TypeVar("T")
LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Stage:
    """Each service's own database and what wakes its relay; relays and consumers are at work somewhere."""

    databases: Mapping[str, Database]
    wake: Callable[[], None]
    clock: Clock
    patience: float
    """Seconds that an event may take from one service to another."""

    @property
    def auth(self) -> Database:
        return self.databases["auth"]

    @property
    def recognition(self) -> Database:
        return self.databases["recognition"]

    @property
    def moderation(self) -> Database:
        return self.databases["moderation"]

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Tells whether nobody else is at it; a killed process is not, since its connection is gone."""
        async with self.auth.connection() as connection:
            alone = bool(await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended('demo', 0))"))
            try:
                yield alone
            finally:
                if alone:
                    await connection.execute("SELECT pg_advisory_unlock(hashtextextended('demo', 0))")

    async def once_known(self, attempt: Callable[[], Awaitable[T | None]]) -> T:
        """The first answer that is not None. Raises `TimeoutError` when the event does not come."""
        self.wake()
        async with asyncio.timeout(self.patience):
            while True:
                answer = await attempt()
                if answer is not None:
                    return answer
                await asyncio.sleep(LOOK_SECONDS)


def acting(user_id: int, org_id: int, role: Role) -> Principal:
    """A colleague as a service sees who calls it."""
    return Principal(
        user_id=user_id,
        org_id=org_id,
        org_name=None,
        role_id=int(role),
        permissions=PERMISSIONS[role],
        kind="demo",
        jti="demo",
        generation=1,
        expires_at=0,
    )
