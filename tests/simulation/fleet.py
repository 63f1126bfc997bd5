"""Seeds and mutations on several processes, each with databases of its own."""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from collections import deque
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby

import uvloop

from tests.simulation.mutations import MUTATIONS
from tests.simulation.preparing import build_simulation
from tests.simulation.running import CLEAN_EVERY, Outcome, ground, group_of, outcomes
from tests.simulation.themes import STEPS
from tests.support.databases import Databases, ScratchDatabase
from tests.support.servers import Postgres

MOST_FAILURES = 5
PIECE = 12 * CLEAN_EVERY
"""So many seeds at once, until it is told how far it is."""


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of some seeds; of those that failed the first few, with all that happened in them."""

    seeds: int
    asked: int
    made: int
    crashes: int
    failed: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Caught:
    """How many seeds it took to catch a mutation, and what caught it; None when nothing did."""

    name: str
    seeds: int
    by: str | None


class Fleet:
    """Hands work to its processes."""

    def __init__(self, databases: Databases, workers: int) -> None:
        self._databases = databases
        self._workers = workers
        self._turns = asyncio.Semaphore(workers)
        self._pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))

    async def run(self, seeds: Sequence[int], steps: int = STEPS) -> Tally:
        """All seeds, shared out; on standard error it tells how far it is."""
        pieces = deque(seeds[first : first + PIECE] for first in range(0, len(seeds), PIECE))
        done: list[Tally] = []
        await asyncio.gather(*(self._work_off(pieces, steps, done, len(seeds)) for _ in range(self._workers)))
        return _sum_of(done)

    async def replay(self, seed: int, steps: int) -> Outcome:
        """One seed, with all that happened in it."""
        scratch = await self._databases.make(build_simulation)
        return await asyncio.get_running_loop().run_in_executor(self._pool, _replay, scratch, seed, steps)

    async def catch(self, most: int) -> list[Caught]:
        """Each mutation with seeds of its theme until one fails, at most `most`."""
        return list(await asyncio.gather(*(self._catch(number, most) for number in range(len(MUTATIONS)))))

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)

    async def _work_off(self, pieces: deque[Sequence[int]], steps: int, done: list[Tally], of: int) -> None:
        scratch, loop = await self._databases.make(build_simulation), asyncio.get_running_loop()
        while pieces:
            done.append(await loop.run_in_executor(self._pool, _run, scratch, pieces.popleft(), steps))
            so_far = _sum_of(done)
            sys.stderr.write(f"{so_far.seeds} of {of} seeds, {len(so_far.failed)} violate an invariant\n")

    async def _catch(self, number: int, most: int) -> Caught:
        async with self._turns:
            scratch = await self._databases.make(build_simulation)
            caught = await asyncio.get_running_loop().run_in_executor(self._pool, _mutate, scratch, number, most)
            await self._databases.drop(scratch)
        return caught


def _sum_of(tallies: Sequence[Tally]) -> Tally:
    return Tally(
        sum(one.seeds for one in tallies),
        sum(one.asked for one in tallies),
        sum(one.made for one in tallies),
        sum(one.crashes for one in tallies),
        tuple(sorted((bad for one in tallies for bad in one.failed), key=lambda bad: bad.seed)),
    )


@asynccontextmanager
async def fleet(server: Postgres, workers: int) -> AsyncIterator[Fleet]:
    databases = Databases(server)
    made = Fleet(databases, workers)
    try:
        scratch = await databases.make(build_simulation)
        await databases.drop(scratch)
        yield made
    finally:
        made.close()
        await databases.close()


def _run(scratch: ScratchDatabase, seeds: Sequence[int], steps: int) -> Tally:
    return uvloop.run(_tally(scratch, seeds, steps))


async def _tally(scratch: ScratchDatabase, seeds: Sequence[int], steps: int) -> Tally:
    count = asked = made = crashes = 0
    failed: list[Outcome] = []
    for _, group in groupby(seeds, group_of):
        async with ground(scratch) as on:
            async for outcome in outcomes(on, group, steps):
                count, asked, made = count + 1, asked + outcome.asked, made + outcome.made
                crashes += outcome.crashes
                if outcome.violation is not None:
                    failed.append(outcome)
        if len(failed) >= MOST_FAILURES:
            break
    return Tally(count, asked, made, crashes, tuple(failed))


def _replay(scratch: ScratchDatabase, seed: int, steps: int) -> Outcome:
    return uvloop.run(replayed(scratch, seed, steps))


async def replayed(scratch: ScratchDatabase, seed: int, steps: int) -> Outcome:
    """As it came out among the others: what those before it in its group have left behind is there again."""
    async with ground(scratch) as on:
        return [outcome async for outcome in outcomes(on, range(group_of(seed) * CLEAN_EVERY, seed + 1), steps)][-1]


def _mutate(scratch: ScratchDatabase, number: int, most: int) -> Caught:
    return uvloop.run(_until_caught(scratch, number, most))


async def _until_caught(scratch: ScratchDatabase, number: int, most: int) -> Caught:
    mutation = MUTATIONS[number]
    async with ground(scratch) as on:
        await mutation.apply(on.admin)
        with mutation.in_force():
            tried = 0
            async for outcome in outcomes(on, mutation.seeds(most)):
                tried += 1
                if outcome.violation is not None:
                    return Caught(mutation.name, tried, outcome.violation)
    return Caught(mutation.name, most, None)
