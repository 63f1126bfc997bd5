"""F29, F30, F40, F41: servers that are there and cannot work."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

import asyncpg

from tests.faults.history import Operation
from tests.faults.races import thanks
from tests.faults.row import Scene
from tests.support.servers_rabbitmq import run_command

ALARM_SECONDS = 5.0
HELD_SECONDS = 4.0
REFUSED_WITHIN = 1.2
"""As the row asks for: for a connection and for the lock together."""
SMALL = "16m"


async def alarms(scene: Scene) -> float:
    """First the disk's alarm, then the memory's: the broker takes nothing from publishers."""
    control = scene.rig.rabbitmq.control
    for alarm, end in (
        (("set_disk_free_limit", "900GB"), ("set_disk_free_limit", "50MB")),
        (("set_vm_memory_high_watermark", "absolute", "1MB"), ("set_vm_memory_high_watermark", "absolute", "1GB")),
    ):
        await control(*alarm)
        await asyncio.sleep(ALARM_SECONDS)
        unsent = await scene.rig.value("SELECT count(*) FROM recognition.outbox WHERE sent_at IS NULL")
        assert unsent > 0, "the alarm held nothing back"
        scene.note(f"{unsent} events unsent at the end of the {alarm[0].split('_')[1]} alarm")
        await control(*end)
    return time.monotonic()


async def locked_tables(scene: Scene) -> float:
    """A table is locked, so that every connection of the pool waits: refused soon, and well when the lock is gone."""
    numbers = await thanks(scene.load, 64)
    locker = await asyncpg.connect(scene.rig.database_url)
    try:
        async with locker.transaction():
            await locker.execute("LOCK TABLE recognition.recognitions IN ACCESS EXCLUSIVE MODE")
            began = time.monotonic()
            rounds: list[Operation] = []
            while time.monotonic() - began < HELD_SECONDS:
                rounds += await asyncio.gather(*(scene.load.give_hi5("boss", number) for number in numbers))
            idle = await scene.rig.value(
                "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
                " AND application_name LIKE 'peerly%' AND state_change < now() - interval '5 s'"
            )
    finally:
        await locker.close()
    assert idle == 0, idle
    slowest = max(one.ended - one.began for one in rounds)
    found = Counter(one.statuses[0] for one in rounds)
    assert set(found) == {503}, found
    assert slowest <= REFUSED_WITHIN, slowest
    freed = time.monotonic()
    again = await asyncio.gather(*(scene.load.give_hi5("judge", number) for number in numbers))
    assert all(one.statuses[0] == 201 for one in again), Counter(one.statuses[0] for one in again)
    scene.note(
        f"{found[503]} x 503 within {slowest:.1f} s; 64 taken {time.monotonic() - freed:.1f} s after the lock's end"
    )
    return time.monotonic()


async def full_disk(scene: Scene) -> float:
    """The table of hi5s on a disk of 16 MB that is full: refused, and taken again when there is space."""
    disk = scene.rig.folder / "small"
    disk.mkdir(exist_ok=True)
    await run_command(["mount", "-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(disk)])
    try:
        await _fill(scene, disk)
    finally:
        admin = await asyncpg.connect(scene.rig.database_url)
        await admin.execute("ALTER TABLE recognition.hi5s SET TABLESPACE pg_default")
        await admin.execute("DROP TABLESPACE IF EXISTS small")
        await admin.close()
        await run_command(["umount", str(disk)])
    return time.monotonic()


async def _fill(scene: Scene, disk: Path) -> None:
    owner = (scene.rig.folder / "postgres").stat()
    os.chown(disk, owner.st_uid, owner.st_gid)
    admin = await asyncpg.connect(scene.rig.database_url)
    await admin.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
    await admin.execute("ALTER TABLE recognition.hi5s SET TABLESPACE small")
    await admin.execute("VACUUM (FULL) recognition.hi5s")
    await admin.close()
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        _write_until_full(file.fileno())
    numbers = await thanks(scene.load, 120)
    done: list[Operation] = []
    for giver in ("ann", "boss", "judge"):
        done += [await scene.load.give_hi5(giver, number) for number in numbers]
    found = Counter(one.statuses[0] for one in done)
    assert set(found) <= {201, 503}, found
    assert found[503] > 0, "the disk did not get full"
    ballast.unlink()
    began = time.monotonic()
    await asyncio.gather(*(scene.load.repeat(one) for one in done if one.statuses[-1] == 503))
    assert all(one.outcome == "ok" for one in done)
    scene.note(f"{found[503]} x 503 while full, all taken {time.monotonic() - began:.1f} s after there was space")


def _write_until_full(file: int) -> None:
    room = os.fstatvfs(file)
    os.posix_fallocate(file, 0, room.f_bavail * room.f_frsize)
