"""What a service hears from the others, said by the test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson

from shared.clock import Clock
from shared.contracts import Event, encode
from shared.contracts.event import ANY_PUBLISHER
from shared.database import Database
from shared.envelope import Recorded, seal, unseal
from shared.inbox import Handlers, Inbox
from tests.support.api import ACME

RELEASED = "SELECT body FROM parked WHERE next_try_at = '-infinity' ORDER BY id"


def sealed(event: Event, org_id: int, event_id: UUID, at: datetime) -> bytes:
    """An event as its publisher sends it."""
    data = orjson.dumps(encode(event)).decode()
    publisher = getattr(event, "publisher", "") if event.PUBLISHER == ANY_PUBLISHER else event.PUBLISHER
    return seal(Recorded(event_id, org_id, event.TYPE, event.subject, at, data), publisher)


@dataclass
class Hearing:
    """A service's database and its handlers."""

    database: Database
    handlers: Handlers
    clock: Clock

    async def hears(
        self, event: Event, org_id: int = ACME, event_id: UUID | None = None, at: datetime | None = None
    ) -> str:
        return await self._handle(sealed(event, org_id, event_id or uuid4(), at or self.clock()))

    async def hears_again(self) -> int:
        """Handles what was released from parking; tells how many events that were."""
        async with self.database.connection() as connection:
            rows = await connection.fetch(RELEASED)
        for row in rows:
            await self._handle(row["body"], from_parked=True)
        return len(rows)

    async def _handle(self, body: bytes, *, from_parked: bool = False) -> str:
        inbox = Inbox(self.database, self.handlers, self.clock, lambda: None)
        return await inbox.handle(unseal(body), body, from_parked=from_parked)

    async def rows(self, query: str, *arguments: Any, org_id: int = ACME) -> list[Any]:
        async with self.database.transaction(org_id) as tx:
            return list(await tx.fetch(query, *arguments))

    async def value(self, query: str, *arguments: Any, org_id: int = ACME) -> Any:
        async with self.database.transaction(org_id) as tx:
            return await tx.fetchval(query, *arguments)
