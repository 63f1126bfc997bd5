"""Runs seeds, each in a world of its own, on one database a process."""

from __future__ import annotations

import logging
import traceback
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from unittest.mock import patch

import asyncpg

from services.catalogue import SERVICES
from tests.simulation.checks import AUDITED
from tests.simulation.clock import Time
from tests.simulation.database import SECONDS, CrashPoints, SimulatedDatabase, connect
from tests.simulation.preparing import Cleaner
from tests.simulation.schedule import Schedule
from tests.simulation.themes import STEPS
from tests.simulation.world import Ground, Violation
from tests.support.databases import ScratchDatabase

CLEAN_EVERY = 20
"""Tables are emptied before so many seeds, a group: for each it would take twice as long as the seed."""
EPOCH = datetime(2031, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one seed ended: what it violated, or None."""

    seed: int
    violation: str | None
    trace: tuple[str, ...]
    asked: int
    made: int
    crashes: int


@asynccontextmanager
async def ground(scratch: ScratchDatabase) -> AsyncIterator[Ground]:
    points = CrashPoints()
    async with AsyncExitStack() as stack:
        databases, auditors = {}, {}
        for service in SERVICES:
            database = await SimulatedDatabase.open(scratch.url(service.name), service.name, points)
            stack.push_async_callback(database.close)
            databases[service.name] = database
        for name in AUDITED:
            auditors[name] = await connect(scratch.url(name), name)
            stack.push_async_callback(auditors[name].close)
        admin = await asyncpg.connect(scratch.admin_url, timeout=30, command_timeout=SECONDS)
        stack.push_async_callback(admin.close)
        made = Ground(databases, auditors, admin, points, Time(EPOCH))
        # No wait of the services takes real time.
        for module in ("relay", "held"):
            stack.enter_context(patch(f"shared.{module}.monotonic", made.monotonic))
        stack.enter_context(patch("shared.relay.BATCH_SECONDS", SECONDS))
        stack.enter_context(patch("shared.inbox.HANDLER_SECONDS", SECONDS))
        yield made


def group_of(seed: int) -> int:
    """Seeds of one group find what those before them have left behind."""
    return seed // CLEAN_EVERY


async def outcomes(on: Ground, seeds: Iterable[int], steps: int = STEPS) -> AsyncIterator[Outcome]:
    """One after the other, in the order of the seeds."""
    logging.disable(logging.CRITICAL)
    cleaner = Cleaner(on.admin)
    for count, seed in enumerate(seeds):
        if count % CLEAN_EVERY == 0:
            await cleaner.clean()
        outcome = await run_seed(on, seed, steps)
        yield outcome
        if outcome.violation is not None:
            await cleaner.clean()


async def run_seed(on: Ground, seed: int, steps: int = STEPS) -> Outcome:
    on.points.disarm()
    crashed = on.points.ended
    schedule = await Schedule.of(seed, on)
    world = schedule.world
    violation = None
    try:
        await schedule.run(steps)
    except Violation as found:
        violation = str(found)
    except Exception as error:
        violation = f"error {error!r}"
        world.trace.extend(traceback.format_exception(error))
    finally:
        for database in on.databases.values():
            await database.wire.abandon()
    made = sum(ask.made is not None for ask in world.asks)
    return Outcome(seed, violation, tuple(world.trace), len(world.asks), made, on.points.ended - crashed)
