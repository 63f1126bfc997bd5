"""Contents that nobody has used for a day are removed from the store, and so is what an upload left behind."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from datetime import timedelta
from pathlib import Path

from services.recognition.files.receiving import PREFIX
from services.recognition.files.transfers import Files
from services.recognition.store import files as store
from shared.context import Context
from shared.telemetry import log
from shared.waiting import stopped_within

KEPT = timedelta(days=1)
"""Much longer than an upload or a download takes; a backup of yesterday still finds its contents."""
BATCH = 100
EVERY_SECONDS = 600.0
LEFT_SECONDS = 3600.0


async def keep_collecting(context: Context, stop: asyncio.Event) -> None:
    """Collects now and then until it is stopped; several at once do no harm."""
    stopped = stop.is_set()
    while not stopped:
        try:
            await collect(context)
        except Exception as error:
            log("unused contents of files stay for now", level=logging.WARNING, reason=repr(error))
        stopped = await stopped_within(stop, EVERY_SECONDS)


async def collect(context: Context) -> int:
    """Removes what has been unused for long enough; tells how many contents that were."""
    storage = context.get(Files).storage
    await asyncio.to_thread(_clear, storage.incoming)
    collected = 0
    while keys := await _unused(context):
        for key in keys:
            await storage.delete(key)
        async with context.database.transaction() as tx:
            await store.forget_contents(tx, keys)
        collected += len(keys)
    return collected


async def _unused(context: Context) -> list[str]:
    async with context.database.transaction(read_only=True) as tx:
        return list(await store.unused_contents(tx, context.clock() - KEPT, BATCH))


def _clear(incoming: Path) -> None:
    """What was being received when a process was killed."""
    for left in incoming.glob(f"{PREFIX}*"):
        if time.time() - left.stat().st_mtime > LEFT_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
