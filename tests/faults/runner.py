"""Runs a row: people at work, the fault, its end; then counts, and asks the books."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from tests.faults.history import Operation
from tests.faults.load import load_on
from tests.faults.rig import EVERYTHING, Rig
from tests.faults.row import Result, Row, Scene
from tests.support.waiting import eventually

WARM_SECONDS = 0.6
ONCE_SECONDS = 600.0
PATIENCE = 60.0
"""How long a figure may be missed before the run gives the row up: it is measured, then compared."""


async def run(row: Row, rig: Rig, repeats: int, size: int) -> Result:
    """Never raises for what the fault did: that is a failure of the row."""
    result = Result(row, repeats)
    load = await load_on(rig, row.limit)
    scene = Scene(rig, load, size)
    try:
        for _ in range(repeats):
            async with asyncio.timeout(ONCE_SECONDS):
                await _once(row, scene, result)
    except Exception as error:  # whatever it was, the row has failed and the next ones are still to be run
        result.failures.append(f"{type(error).__name__}: {error}")
    finally:
        await load.stop()
        await rig.heal()
    await _conclude(scene, result)
    result.notes = scene.notes
    _compare(row, result)
    return result


async def _once(row: Row, scene: Scene, result: Result) -> None:
    load = scene.load
    if row.loaded:
        load.start()
        await asyncio.sleep(WARM_SECONDS)
    first = len(load.operations)
    over = await row.fault(scene)
    await scene.rig.start(*EVERYTHING)
    if row.loaded:
        well = await load.until_well(over, row.back + PATIENCE)
        result.back = max(result.back, well - over)
        await load.stop()
    began = max(time.monotonic() if row.loaded else over, over)
    await eventually(lambda: _at_rest(scene), within=row.caught_up + PATIENCE, every=0.1)
    result.caught_up = max(result.caught_up, time.monotonic() - began)
    if row.loaded:
        _measure(result, load.operations[first:])


def _measure(result: Result, operations: Sequence[Operation]) -> None:
    wrote = [one for one in operations if one.kind != "read"]
    read = [one for one in operations if one.kind == "read"]
    result.available = min(result.available, _share(wrote))
    result.reads = min(result.reads, _share(read))
    result.slowest = max([result.slowest, *(one.ended - one.began for one in operations)])


def _share(operations: Sequence[Operation]) -> float:
    return 100 * sum(one.answered for one in operations) / len(operations) if operations else 100.0


async def _at_rest(scene: Scene) -> None:
    """By the proofs that the services answer themselves."""
    under_way = await scene.rig.under_way()
    assert not under_way, under_way
    await scene.load.story.prove()


async def _holds(rig: Rig) -> None:
    broken = await rig.broken()
    assert not broken, broken


async def _conclude(scene: Scene, result: Result) -> None:
    try:
        result.counts = await scene.load.settle()
        await eventually(lambda: _holds(scene.rig), within=PATIENCE, every=0.2)
    except AssertionError as error:
        result.failures.append(str(error))
        result.broken = await scene.rig.broken()
    dead = {service: count for service, count in (await scene.rig.in_queues("dead")).items() if count}
    if dead:
        result.failures.append(f"in dead queues: {dead}")
    if result.failures:
        await scene.rig.forget_dead()


def _compare(row: Row, result: Result) -> None:
    if not result.counts.clean:
        result.failures.append(f"counts: {result.counts}")
    for what, measured, most in (
        ("calls answered again after", result.back, row.back),
        ("caught up after", result.caught_up, row.caught_up),
        ("slowest answer", result.slowest, row.slowest),
    ):
        if measured > most:
            result.failures.append(f"{what} {measured:.1f} s, expected {most:g} s")
    for what, share in (("writes", result.available), ("reads", result.reads)):
        if row.always and share < 100:
            result.failures.append(f"{share:.2f} % of the {what} answered, expected all")
