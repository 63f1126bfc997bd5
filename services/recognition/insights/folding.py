"""The job that moves changes into the sums, so that a reader has few of them to add up."""

from __future__ import annotations

import asyncio
import logging

from shared.context import Context
from shared.database import Database
from shared.telemetry import log
from shared.waiting import stopped_within

MOST_AT_ONCE = 1_000
EVERY_SECONDS = 1.0


async def fold(database: Database) -> int:
    """Folds until nothing is left; returns how many changes that were. Raises what the database raises."""
    folded = 0
    while taken := await database.fetch_value("SELECT fold_insights($1)", MOST_AT_ONCE):
        folded += taken
        if taken < MOST_AT_ONCE:
            break
    return folded


async def keep_folding(context: Context, halt: asyncio.Event) -> None:
    """Now and then until the process ends; several at once do no harm."""
    stopped = halt.is_set()
    while not stopped:
        try:
            await fold(context.database)
        except Exception as error:
            log("insights are not folded for now", level=logging.WARNING, reason=repr(error))
        stopped = await stopped_within(halt, EVERY_SECONDS)
