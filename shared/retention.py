"""What is kept for how long, and the job that moves or forgets the rest."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.clock import Clock
from shared.database import Database
from shared.telemetry import log
from shared.waiting import stopped_within

BATCH = 1_000
EVERY_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Rule:
    """One statement that takes the oldest rows beyond their age, a batch at a time; it returns how many it took."""

    name: str
    age: timedelta
    statement: str


RULES = (
    Rule("outbox rows to the archive", timedelta(days=30), "SELECT archive_outbox($1, $2)"),
    Rule(
        "inbox rows",
        timedelta(days=45),
        "WITH gone AS (DELETE FROM inbox WHERE event_id IN"
        " (SELECT event_id FROM inbox WHERE received_at < $1 ORDER BY received_at LIMIT $2) RETURNING 1)"
        " SELECT count(*) FROM gone",
    ),
    Rule("idempotency keys", timedelta(hours=48), "SELECT forget_idempotency_keys($1, $2)"),
    Rule(
        "revocations",
        timedelta(0),
        "WITH gone AS (DELETE FROM revocations WHERE credential IN"
        " (SELECT credential FROM revocations WHERE expires_at < $1 ORDER BY expires_at LIMIT $2) RETURNING 1)"
        " SELECT count(*) FROM gone",
    ),
)


async def clean(database: Database, now: datetime) -> dict[str, int]:
    """Applies every rule once, batch by batch; returns what was taken by name. Raises what the database raises."""
    return {rule.name: await _apply(database, rule, now) for rule in RULES}


async def _apply(database: Database, rule: Rule, now: datetime) -> int:
    taken = 0
    while batch := await database.fetch_value(rule.statement, now - rule.age, BATCH):
        taken += batch
    return taken


def keeper(
    database: Database, clock: Clock, every_seconds: float = EVERY_SECONDS
) -> Callable[[asyncio.Event], Awaitable[None]]:
    """A loop that cleans now and then until it is stopped; several at once do no harm."""

    async def run(stop: asyncio.Event) -> None:
        stopped = stop.is_set()
        while not stopped:
            try:
                await clean(database, clock())
            except Exception as error:
                log("old rows stay for now", level=logging.WARNING, reason=repr(error))
            stopped = await stopped_within(stop, every_seconds)

    return run
