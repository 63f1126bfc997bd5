"""When credentials were last used: noted in memory, told to auth by event, by each process once a minute for each."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import suppress

from shared import outbox
from shared.clock import Clock
from shared.contracts.credentials import CredentialsUsed, Use
from shared.database import DATABASE_IS_AWAY, Database
from shared.identity.claims import ACCESS_TOKEN, SESSION
from shared.identity.principal import Principal
from shared.waiting import stopped_within

TOLD_SECONDS = 60
FLUSH_SECONDS = 1.0
MOST_REMEMBERED = 50_000
MOST_AN_EVENT = 500
SESSION_PREFIX = "session:"
"""Before the `jti` of a session, also of one with the rights of a key, among the names of clients."""
Named = tuple[str, int]
"""A client and the person who acts through it."""


class Usage:
    """What one process has seen of sessions, personal tokens, API keys and applications."""

    def __init__(self, publisher: str, clock: Clock) -> None:
        self._publisher = publisher
        self._clock = clock
        self._told: OrderedDict[Named, int] = OrderedDict()
        self._untold: dict[int, dict[Named, int]] = {}

    def note(self, principal: Principal) -> None:
        """Remembers that this credential is used now; never awaits."""
        for client_id in _names_of(principal):
            self._note(principal.org_id, (client_id, principal.user_id))

    def _note(self, org_id: int, named: Named) -> None:
        now = int(self._clock().timestamp())
        if now - self._told.get(named, 0) >= TOLD_SECONDS:
            self._told[named] = now
            self._told.move_to_end(named)
            self._untold.setdefault(org_id, {})[named] = now
            if len(self._told) > MOST_REMEMBERED:
                self._told.popitem(last=False)

    async def flush(self, database: Database) -> None:
        """Writes what is not told yet to the outbox, once for each organisation. Raises what the database raises."""
        for org_id in list(self._untold):
            uses = self._untold.pop(org_id)
            try:
                async with database.transaction(org_id) as tx:
                    await outbox.append(tx, *self._events(uses))
            except BaseException:
                self._untold[org_id] = uses | self._untold.get(org_id, {})
                raise

    def _events(self, uses: Mapping[Named, int]) -> Iterator[CredentialsUsed]:
        told = [Use(client_id=client_id, user_id=user_id, at=at) for (client_id, user_id), at in uses.items()]
        for first in range(0, len(told), MOST_AN_EVENT):
            yield CredentialsUsed(publisher=self._publisher, uses=tuple(told[first : first + MOST_AN_EVENT]))

    async def run(self, database: Database, stop: asyncio.Event) -> None:
        """Tells every second what was used, and once more at the stop; while the database is away it waits."""
        stopped = False
        while not stopped:
            stopped = await stopped_within(stop, FLUSH_SECONDS)
            with suppress(*DATABASE_IS_AWAY):
                await self.flush(database)


def is_session(client_id: str) -> bool:
    """Whether a use is of a session."""
    return client_id.startswith(SESSION_PREFIX)


def _names_of(principal: Principal) -> Iterator[str]:
    client_id = principal.client_id
    if client_id is not None:
        yield client_id
    if principal.kind == SESSION or (principal.kind == ACCESS_TOKEN and (client_id or "").startswith("key:")):
        yield f"{SESSION_PREFIX}{principal.jti}"
