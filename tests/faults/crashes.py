"""F17 to F20, F26, F27: a process that dies at the worst place, a message that kills it, a process that freezes."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from tests.faults.races import thanks
from tests.faults.rig import Rig
from tests.faults.row import Fault, Scene
from tests.support.waiting import eventually

CRASH_CHANCE = 0.1
TAKEOVER_SECONDS, FROZEN_SECONDS = 15.0, 10.0
INNOCENTS = 60


def dies_at(service: str, failpoint: str) -> Fault:
    """Killed there, by chance, until it has happened `size` times; each time it is started at once."""

    async def fault(scene: Scene) -> float:
        rig = scene.rig
        await rig.change(service, PEERLY_FAILPOINTS=f"{failpoint}:{CRASH_CHANCE}")
        crashes = 0
        while crashes < scene.size:
            pid = rig.system.pids.get(service)
            if pid is None:
                crashes += 1
                await rig.start(service)
            await asyncio.sleep(0.02)
        scene.note(f"{crashes} crashes")
        await rig.heal()
        return time.monotonic()

    return fault


async def unsent_at_a_kill(scene: Scene) -> float:
    """Killed while events are committed and not published: the broker cannot be reached meanwhile."""
    for _ in range(scene.size):
        scene.rig.to_broker.cut()
        await eventually(partial(_unsent, scene, 10), within=20, every=0.1)
        scene.rig.kill("recognition")
        scene.rig.to_broker.heal()
        await eventually(lambda: "recognition" not in scene.rig.system.pids, within=5)
        await scene.rig.start("recognition")
    scene.note(f"{scene.size} crashes, each with 10 or more events unsent")
    return time.monotonic()


async def _unsent(scene: Scene, least: int) -> bool:
    return bool(await scene.rig.value("SELECT count(*) FROM recognition.outbox WHERE sent_at IS NULL") >= least)


async def poison(scene: Scene) -> float:
    """One event kills its consumer whenever it is handled, with 32 under way; the others must not suffer for it."""
    rig, load = scene.rig, scene.load
    numbers = await thanks(load, 2 * INNOCENTS + 1)
    await eventually(lambda: _handled(scene), within=30, every=0.1)
    await rig.change("quota", PEERLY_FAILPOINTS=f"inbox.handle.recognition/{numbers[INNOCENTS]}:1")
    for one in numbers:
        await load.give_hi5("ann", one)
    crashes, deadline = 0, time.monotonic() + 60
    while not await _is_dead(scene):
        assert time.monotonic() < deadline, f"not found after {crashes} crashes"
        if "quota" not in rig.system.pids:
            crashes += 1
            await rig.start("quota")
        await asyncio.sleep(0.05)
    crashes += "quota" not in rig.system.pids
    assert 1 <= crashes <= 6, crashes
    await rig.heal()
    listed = (await rig.tool("quota", "dead", "list")).splitlines()
    innocents = [line for line in listed[1:] if "failed with its process" not in line]
    assert len(listed) == 2, listed
    assert not innocents, innocents
    scene.note(f"found after {crashes} crashes; innocent events dead: {len(innocents)}; retried, it counts")
    await rig.tool("quota", "dead", "retry", "--all")
    return time.monotonic()


async def _handled(scene: Scene) -> bool:
    return not await scene.rig.under_way() and not (await scene.rig.in_queues("events"))["quota"]


async def _is_dead(scene: Scene) -> bool:
    return (await scene.rig.in_queues("dead"))["quota"] > 0


async def frozen_consumer(scene: Scene) -> float:
    """SIGSTOP of the one of two processes that handles the events."""
    second = await scene.rig.second("quota")
    active = await _active(scene.rig, ("quota", second))
    return await _freeze(scene, active, second, "SELECT max(received_at) > $1 FROM quota.inbox")


async def frozen_relay(scene: Scene) -> float:
    """SIGSTOP of a second process whose relay takes turns with the first one's; it may hold the lead at that moment."""
    second = await scene.rig.second("recognition")
    return await _freeze(scene, second, second, "SELECT max(sent_at) > $1 FROM recognition.outbox")


async def _freeze(scene: Scene, frozen: str, second: str, proof_of_life: str) -> float:
    """The other one takes over, and on waking the frozen one does no harm."""
    rig = scene.rig
    since = await rig.value("SELECT clock_timestamp() + interval '0.3 s'")
    rig.freeze(frozen)
    began = time.monotonic()

    async def goes_on() -> bool:
        return bool(await rig.value(proof_of_life, since))

    await eventually(goes_on, within=TAKEOVER_SECONDS + 15, every=0.1)
    took = time.monotonic() - began
    await asyncio.sleep(max(0.0, FROZEN_SECONDS - took))
    rig.thaw(frozen)
    await asyncio.sleep(1)
    await rig.system.stop(second)
    scene.note(f"taken over in {took:.1f} s")
    assert took <= TAKEOVER_SECONDS, took
    return time.monotonic()


async def _active(rig: Rig, names: tuple[str, str]) -> str:
    """Which of the processes handles events now, by their own counters."""
    before = [await _handled_by(rig, name) for name in names]

    async def busier() -> str:
        grown = [await _handled_by(rig, name) - known for name, known in zip(names, before, strict=True)]
        return "" if max(grown) < 20 else names[grown.index(max(grown))]

    return await eventually(busier, within=15, every=0.1)


async def _handled_by(rig: Rig, name: str) -> float:
    async with rig.session.get(f"{rig.system.service_url(name)}/metrics") as answer:
        lines = (await answer.text()).splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("peerly_events_handled_total{"))
