"""F10, F11, F13 to F16: what lies between the services and their database and broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from statistics import median

from tests.faults.history import Operation
from tests.faults.proxy import ToxicProxy, Toxics
from tests.faults.races import thanks
from tests.faults.rig import Rig
from tests.faults.row import Fault, Scene

Which = Callable[[Rig], ToxicProxy]
REFUSED_WITHIN = 1.5
NOT_HUNG = 5.0


def database(rig: Rig) -> ToxicProxy:
    return rig.to_database


def broker(rig: Rig) -> ToxicProxy:
    return rig.to_broker


def cut(which: Which, seconds: float, *, silent: bool) -> Fault:
    """Refused and reset, or silent: then the connections stay and no byte passes."""

    async def fault(scene: Scene) -> float:
        proxy = which(scene.rig)
        proxy.black_hole() if silent else proxy.cut()
        await asyncio.sleep(seconds)
        proxy.heal()
        return time.monotonic()

    return fault


def both_cuts(which: Which, seconds: float) -> Fault:
    async def fault(scene: Scene) -> float:
        await cut(which, seconds, silent=False)(scene)
        await scene.load.until_well(time.monotonic(), 30)
        return await cut(which, seconds, silent=True)(scene)

    return fault


async def slow_database(scene: Scene) -> float:
    """50, 200 and 1000 ms more for each answer and each question."""
    for latency in (0.05, 0.2, 1.0):
        scene.rig.to_database.toxics = Toxics(latency=latency / 2, jitter=latency / 10)
        first = len(scene.load.operations)
        await asyncio.sleep(2 + 2 * latency)
        done = [one for one in scene.load.operations[first:] if one.statuses]
        slow = max((one.ended - one.began for one in done), default=0.0)
        answered = sum(one.answered for one in done)
        scene.note(f"+{latency * 1000:.0f} ms: {answered} of {len(done)} answered, slowest {slow:.1f} s")
    scene.rig.to_database.heal()
    return time.monotonic()


async def slow_broker(scene: Scene) -> float:
    """10 kB a second: the answers must not notice."""
    before = _seconds(scene.load.operations)
    first = len(scene.load.operations)
    scene.rig.to_broker.toxics = Toxics(bandwidth=10_000)
    await asyncio.sleep(4)
    slow = _seconds(scene.load.operations[first:])
    scene.rig.to_broker.heal()
    scene.rig.to_broker.reset_all()
    scene.note(f"median answer {median(before) * 1000:.0f} ms before, {median(slow) * 1000:.0f} ms meanwhile")
    return time.monotonic()


def _seconds(operations: list[Operation]) -> list[float]:
    return [one.ended - one.began for one in operations if one.answered]


def ragged(which: Which) -> Fault:
    """One byte at a time for a while, then connections that are reset after some random number of bytes."""

    async def fault(scene: Scene) -> float:
        proxy = which(scene.rig)
        proxy.toxics = Toxics(slices=1)
        await asyncio.sleep(1.5)
        proxy.toxics = Toxics(slices=64, reset_after=20_000)
        proxy.reset_all()
        await asyncio.sleep(2.5)
        scene.note(f"{proxy.resets} connections reset in the middle")
        proxy.heal()
        proxy.reset_all()
        return time.monotonic()

    return fault


async def lost_commits(scene: Scene) -> float:
    """The database has committed a hi5, and the answer is lost: asked again under the same key, it is still one."""
    load, proxy = scene.load, scene.rig.to_database
    unknown = 0
    while proxy.lost_answers < scene.size:
        number = (await thanks(load, 1))[0]
        for giver in ("ann", "boss", "judge"):
            proxy.toxics = Toxics(lose_answers_with=b"hi5_quota_balance", answers_to_lose=1)
            operation = await load.give_hi5(giver, number)
            unknown += operation.outcome == "unknown"
            proxy.toxics = Toxics()
            await load.repeat(operation)
            assert operation.outcome == "ok", operation.statuses
    scene.note(f"{proxy.lost_answers} answers lost, {unknown} calls not answered, each one hi5")
    assert unknown >= scene.size, (unknown, proxy.lost_answers)
    proxy.lost_answers = 0
    return time.monotonic()
