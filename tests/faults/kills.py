"""F1 to F9, F48: processes, servers and all of them killed, and restarted in order."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from deploy.broker import SERVICES
from tests.faults.rig import EVERYTHING
from tests.faults.row import Fault, Scene
from tests.support.waiting import eventually


def kill(name: str) -> Fault:
    """The supervisor starts it again by itself."""

    async def fault(scene: Scene) -> float:
        before = scene.rig.system.pids[name]
        scene.rig.kill(name)
        killed = time.monotonic()
        await eventually(lambda: scene.rig.system.pids.get(name, before) != before, within=10)
        return killed

    return fault


async def kill_database(scene: Scene) -> float:
    killed = time.monotonic()
    await scene.rig.kill_postgres()
    await scene.rig.postgres.start()
    scene.note(f"PostgreSQL back in {time.monotonic() - killed:.1f} s")
    return killed


async def kill_broker(scene: Scene) -> float:
    killed = time.monotonic()
    await scene.rig.rabbitmq.kill()
    await scene.rig.rabbitmq.start()
    scene.note(f"RabbitMQ back in {time.monotonic() - killed:.1f} s")
    return time.monotonic()


async def wipe_broker(scene: Scene) -> float:
    """With events in a queue whose consumer is away: they are gone, though they were confirmed and marked as sent."""
    scene.rig.kill("quota", hold=True)
    await eventually(lambda: _queued(scene, 50), within=30, every=0.5)
    await scene.rig.wipe_broker()
    wiped = time.monotonic()
    await scene.rig.start("quota")
    return wiped


async def _queued(scene: Scene, least: int) -> bool:
    return (await scene.rig.in_queues("events"))["quota"] >= least


async def kill_everything(scene: Scene) -> float:
    killed = time.monotonic()
    scene.rig.kill(*EVERYTHING)
    await asyncio.gather(scene.rig.kill_postgres(), scene.rig.rabbitmq.kill())
    await asyncio.gather(scene.rig.postgres.start(), scene.rig.rabbitmq.start())
    return killed


async def restart_each(scene: Scene) -> float:
    """Two instances of each service, restarted one after the other while the gateway asks the other one."""
    rig, slowest = scene.rig, 0.0
    for service in SERVICES:
        both = service, await rig.second(service)
        for leaves, stays in (both, both[::-1]):
            await rig.route(service, stays)
            began = time.monotonic()
            await rig.system.stop(leaves)
            slowest = max(slowest, time.monotonic() - began)
            await rig.start(leaves)
        await rig.route(service, service)
        await rig.system.stop(both[1])
    assert slowest <= 10, f"a service took {slowest:.1f} s to end"
    statuses = Counter(status for one in scene.load.operations for status in one.statuses)
    broken = {status: count for status, count in statuses.items() if status >= 500}
    assert not broken, broken
    scene.note(
        f"{2 * len(SERVICES)} restarts, each ended within {slowest:.1f} s; 0 x 5xx in {statuses.total()} calls;"
        f" {statuses[0]} sent again, on connections that a worker of the gateway was closing"
    )
    return time.monotonic()
