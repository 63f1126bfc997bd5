"""The loop that gives what series say is due: in every process that handles events, whichever comes first."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

from services.recognition.commands import series_giving
from services.recognition.commands.series_giving import NotKnownYet
from services.recognition.store import series as store
from shared.clock import Clock
from shared.context import Context
from shared.database import DATABASE_IS_AWAY, Database
from shared.failpoints import failpoint
from shared.telemetry import log
from shared.waiting import stopped_within

POLL_SECONDS = 1.0
AT_ONCE, SWEEPS = 20, 100
"""Series that are looked up together, and how often within a turn."""
REST = timedelta(seconds=30)
"""How long a series that cannot be continued now waits, so that it is not in others' way."""


async def keep_giving(context: Context, stop: asyncio.Event) -> None:
    """Looks every second until `stop` for what is due; not while writing is closed for maintenance."""
    while not await stopped_within(stop, POLL_SECONDS):
        try:
            context.maintenance.check()
            for _ in range(SWEEPS):
                if stop.is_set() or not await give_due(context.database, context.clock):
                    break
                context.wake()
        except DATABASE_IS_AWAY:
            continue
        except Exception as error:
            log("series wait", level=logging.WARNING, reason=repr(error))


async def give_due(database: Database, clock: Clock) -> int:
    """Continues some of the series that are due, each in a transaction; returns for how many something was done."""
    now = clock()
    async with database.connection() as connection:
        due = await connection.fetch("SELECT org_id, id FROM series_to_look_at($1, $2)", now, AT_ONCE)
    return sum([await _continue(database, row["org_id"], row["id"], now) for row in due])


async def _continue(database: Database, org_id: int, series_id: int, now: datetime) -> bool:
    try:
        async with database.transaction(org_id) as tx:
            done = await series_giving.continue_series(tx, series_id, now)
            if done:
                failpoint("series.before_commit")
    except Exception as error:
        if not isinstance(error, NotKnownYet):
            log("a series cannot be continued", level=logging.WARNING, series=series_id, reason=repr(error))
        async with database.transaction(org_id) as tx:
            await store.rest_series(tx, series_id, now + REST)
        return False
    return done
