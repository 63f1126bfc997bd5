"""Contenders take turns; each one's figures are the medians of its rounds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.measuring import Load, cpu_seconds, peak_megabytes, tree


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who answers: `load` runs for so many seconds against the processes `pids`, children included.

    `postgres` is a database of its own, where it has one.
    """

    name: str
    load: Callable[[float], Awaitable[Load]]
    pids: Sequence[int]
    postgres: int | None = None


@dataclass(frozen=True, slots=True)
class Figures:
    """One round, or the medians of several: a second, microseconds of CPU for each, milliseconds, megabytes."""

    rate: float
    server_cpu: float
    database_cpu: float
    p50: float = 0
    p99: float = 0
    memory: float = 0

    @property
    def cpu(self) -> float:
        return self.server_cpu + self.database_cpu


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often and how long, in seconds."""

    count: int
    seconds: float
    warm_up: float


async def compare(contenders: Sequence[Contender], rounds: Rounds, postgres: int) -> list[Figures]:
    """The medians of each, in their order; in each round all have their turn."""
    for contender in contenders:
        await contender.load(rounds.warm_up)
    found: list[list[Figures]] = [[] for _ in contenders]
    for _ in range(rounds.count):
        for place, contender in enumerate(contenders):
            found[place].append(await measure(contender, rounds.seconds, postgres))
    return [middle(each) for each in found]


async def measure(contender: Contender, seconds: float, postgres: int) -> Figures:
    """One round."""
    database_pids = [contender.postgres or postgres]
    before = used(contender.pids), used(database_pids)
    load = await contender.load(seconds)
    after = used(contender.pids), used(database_pids)
    server, database = ((late - early) * 1e6 / load.requests for early, late in zip(before, after, strict=True))
    memory = max((peak_megabytes(pid) for pid in contender.pids), default=0)
    return Figures(load.requests / load.seconds, server, database, load.p50, load.p99, memory)


def used(pids: Sequence[int]) -> float:
    """CPU seconds of processes with their children."""
    return cpu_seconds(one for pid in pids for one in tree(pid))


def middle(rounds: Sequence[Figures]) -> Figures:
    """Each figure's own median."""
    names = ("rate", "server_cpu", "database_cpu", "p50", "p99", "memory")
    return Figures(**{name: median(getattr(one, name) for one in rounds) for name in names})
