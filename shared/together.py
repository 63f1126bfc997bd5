"""Several events that are there at once, in one transaction; each is still handled once, in its own tenant."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from uuid import UUID

from shared.contracts import Event
from shared.database import Connection
from shared.envelope import Received
from shared.failpoints import failpoint
from shared.inbox import HANDLER_SECONDS, Inbox, Kept, MissingPrerequisite, NotMyTurn, claiming, in_turn
from shared.telemetry import log

PATIENT_AFTER_MISSING = 1_000
"""How many events go with care after one that came too early: where one does, the next ones often do too."""

_CLAIM = "SELECT claim_events($1, $2, $3, $4, $5, $6)"
_DISCLAIM = "DELETE FROM inbox WHERE event_id = $1"
_WORK_FOR = """
SELECT set_config('app.org_id', $1, true), set_config('app.request_id', $2, true), set_config('app.actor_id', '', true)
"""

Events = Sequence[Received[Event]]
Waiting = list[tuple[int, MissingPrerequisite]]
"""The places of events among those that came, with what they wait for."""


class Jumbled(Exception):
    """So many of the events wait for others that one transaction gains nothing."""


class Together(Inbox):
    """An inbox that also takes many at once."""

    _patient = 0

    async def handle_together(self, events: Events, bodies: Sequence[bytes]) -> list[Kept] | None:
        """Handles all of them in one transaction, or none when that fails: then each has to go alone.

        What waits for another one of them goes after it, and what waits for something else is parked. Raises
        `DatabaseAway`.
        """
        return await in_turn(lambda: self._handle_together(events, bodies))

    async def _handle_together(self, events: Events, bodies: Sequence[bytes]) -> list[Kept] | None:
        try:
            if self._patient <= 0:
                try:
                    return await self._attempt_together(events, None)
                except MissingPrerequisite:
                    self._patient = PATIENT_AFTER_MISSING
            self._patient -= len(events)
            return await self._attempt_together(events, bodies)
        except NotMyTurn:
            raise
        except Exception as error:  # each tells of its own failure when it goes alone; this one is told here
            log("events together failed, each goes alone", events=len(events), reason=repr(error))
            return None

    async def _attempt_together(self, events: Events, bodies: Sequence[bytes] | None) -> list[Kept]:
        """With care when the bodies are given: without them, what comes too early is a failure of all."""
        async with asyncio.timeout(HANDLER_SECONDS), self._database.transaction() as tx:
            claimed = await self._claim_together(tx, events)
            if bodies is None:
                kept = [await self._run_claimed(tx, received, claimed) for received in events]
            else:
                kept = await self._run_patiently(tx, events, bodies, claimed)
            failpoint("inbox.before_commit")
        failpoint("inbox.after_commit")
        return kept

    async def _claim_together(self, tx: Connection, events: Events) -> set[UUID]:
        with claiming():
            rows = await tx.fetch(
                _CLAIM,
                [received.id for received in events],
                [received.publisher for received in events],
                [received.type for received in events],
                [received.epoch for received in events],
                [received.position for received in events],
                self._clock(),
            )
        return {row[0] for row in rows}

    async def _run_patiently(
        self, tx: Connection, events: Events, bodies: Sequence[bytes], claimed: set[UUID]
    ) -> list[Kept]:
        """Those that came too early go behind the others once; raises `Jumbled` when they are not the fewer."""
        kept: dict[int, Kept] = {}
        waiting = await self._run_those(tx, events, range(len(events)), claimed, kept)
        if 2 * len(waiting) >= len(events):
            raise Jumbled
        waiting = await self._run_those(tx, events, [place for place, _ in waiting], claimed, kept)
        for place, missing in waiting:
            kept[place] = await self._park(tx, events[place], bodies[place], missing, claimed)
        return [kept[place] for place in range(len(events))]

    async def _run_those(
        self, tx: Connection, events: Events, places: Sequence[int], claimed: set[UUID], kept: dict[int, Kept]
    ) -> Waiting:
        """Runs what can be run, each with a way back; gives the others."""
        waiting: Waiting = []
        for place in places:
            await tx.execute("SAVEPOINT attempt")
            try:
                kept[place] = await self._run_claimed(tx, events[place], claimed)
            except MissingPrerequisite as missing:
                await tx.execute("ROLLBACK TO SAVEPOINT attempt")
                claimed.add(events[place].id)
                waiting.append((place, missing))
        return waiting

    async def _park(
        self, tx: Connection, received: Received[Event], body: bytes, missing: MissingPrerequisite, claimed: set[UUID]
    ) -> Kept:
        if received.id not in claimed:
            return "duplicate"
        claimed.remove(received.id)
        await tx.execute(_DISCLAIM, received.id)
        await _work_for(tx, received)
        return await self._run_or_park(tx, received, body, missing, from_parked=False)

    async def _run_claimed(self, tx: Connection, received: Received[Event], claimed: set[UUID]) -> Kept:
        if received.id not in claimed:
            return "duplicate"
        claimed.remove(received.id)
        await _work_for(tx, received)
        await self._run(tx, received)
        return "handled"


async def _work_for(tx: Connection, received: Received[Event]) -> None:
    await tx.execute(_WORK_FOR, str(received.org_id), received.request_id or "")
