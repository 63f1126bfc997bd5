"""F32, F33: clocks that are wrong and step, of each service and of the database, which alone says what period it is."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle
from pathlib import Path

import asyncpg

from deploy.broker import SERVICES
from tests.faults.load import Load
from tests.faults.races import thanks
from tests.faults.rig import EVERYTHING, Rig
from tests.faults.row import Scene
from tests.support.mint import Mint
from tests.support.servers_postgres import postgres_binaries
from tests.support.sessions import ROUTES

HOUR, DAY = 3_600, 86_400
STEPS = (HOUR, -HOUR, DAY, -DAY)
LEEWAY = 30
BEFORE_THE_END, AFTER_IT = 5, 8
LIMIT = 10

_JUDGES_PERIODS = """
SELECT count(*) AS periods, max(spent_total - refunded_total) AS most, sum(spent_total - refunded_total)::int AS given
FROM recognition.allowances WHERE org_id = $1 AND user_id = $2
"""
_ELSEWHERE = """
SELECT count(*) FROM recognition.spends AS spent
JOIN recognition.allowances AS period ON period.org_id = spent.org_id AND period.id = spent.allowance_id
WHERE spent.org_id = $1 AND NOT (spent.at >= period.starts_at AND spent.at < period.ends_at)
"""
_PERIODS = """
SELECT period.starts_at, count(*) AS spends FROM recognition.spends AS spent
JOIN recognition.allowances AS period ON period.org_id = spent.org_id AND period.id = spent.allowance_id
WHERE spent.org_id = $1 GROUP BY period.starts_at ORDER BY period.starts_at
"""


@dataclass(frozen=True, slots=True)
class Clocks:
    """Files that say how many seconds a process is ahead of the time; what runs on for itself is not touched."""

    folder: Path

    def file(self, name: str) -> Path:
        return self.folder / f"clock-{name}"

    def set(self, name: str, ahead: float) -> None:
        written = self.file(f"{name}-next")
        written.write_text(f"{ahead:+.0f}")
        written.replace(self.file(name))

    def environment(self, name: str) -> dict[str, str]:
        """Of a process that asks the file for the time from its start on."""
        self.set(name, 0)
        [library, *_] = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        return {
            "LD_PRELOAD": str(library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file(name)),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
            "NO_FAKE_STAT": "1",
        }

    def postgres(self) -> Path:
        """The server's programs, of which the server itself looks at its file."""
        real, made = postgres_binaries(), self.folder / "clocked"
        made.mkdir(exist_ok=True)
        for program in real.iterdir():
            if program.name != "postgres" and not (made / program.name).exists():
                (made / program.name).symlink_to(program)
        told = " ".join(f"{name}={value}" for name, value in self.environment("database").items())
        (made / "postgres").write_text(f'#!/bin/sh\nexec env {told} {real / "postgres"} "$@"\n')
        (made / "postgres").chmod(0o755)
        return made


@asynccontextmanager
async def clocked_database(rig: Rig) -> AsyncIterator[Clocks]:
    clocks = Clocks(rig.folder)
    await rig.postgres.restart(clocks.postgres())
    await rig.start(*EVERYTHING)
    try:
        yield clocks
    finally:
        clocks.set("database", 0)
        await rig.postgres.restart(postgres_binaries())


async def stepped_clocks(scene: Scene) -> float:
    """Each service's clock an hour and a day wrong in both directions, then the database's over the end of a period."""
    load, rig = scene.load, scene.rig
    async with clocked_database(rig) as clocks, asyncpg.create_pool(rig.database_url, min_size=1, max_size=2) as owner:
        mint = await Mint.open(owner, rig.system._kept["secret"])
        now = int(time.time())
        for person in load.story.people.values():
            lasting = {"iat": now - 3 * DAY, "nbf": now - 3 * DAY, "exp": now + 3 * DAY}
            [person.token] = await mint.sessions(person.token, **lasting)
        givers = cycle(("ann", "boss", "cyd"))
        for service in SERVICES:
            await rig.change(service, **clocks.environment(service))
            for ahead in STEPS:
                clocks.set(service, ahead)
                await _takes_no_expired_token(scene, mint, service, ahead)
                await _gives(load, next(givers), taken=1, refused=0)
            clocks.set(service, 0)
        await _one_periods_worth(scene, clocks)
    scene.note(f"{len(SERVICES) * len(STEPS)} steps of services, 4 of the database over the end of a period")
    return time.monotonic()


async def _takes_no_expired_token(scene: Scene, mint: Mint, service: str, ahead: int) -> None:
    """By the service's own clock, with half a minute of leeway."""
    rig, boss, now = scene.rig, scene.load.story.people["boss"], int(time.time()) + ahead
    issued = {"iat": int(time.time()) - 3 * DAY, "nbf": int(time.time()) - 3 * DAY}
    found = {}
    for name, end in (("valid", now + 60), ("expired", now - LEEWAY - 5)):
        [token] = await mint.sessions(boss.token, **issued, exp=end)
        headers = {"Authorization": f"Bearer {token}"}
        address = rig.system.service_url(service) + ROUTES[service]
        async with rig.session.get(address, headers=headers) as answer:
            found[name] = answer.status
    assert found == {"valid": 200, "expired": 401}, (service, ahead, found)


async def _one_periods_worth(scene: Scene, clocks: Clocks) -> None:
    """Forth and back over the end of a period: what was given in it is not given again when the clock is back."""
    load, story = scene.load, scene.load.story
    await _gives(load, "judge", taken=LIMIT, refused=2)
    until = await _seconds_to_the_end(load)
    for ahead, taken in ((until + 60, LIMIT), (until - HOUR, 0), (until + 60, 0), (-HOUR, 0)):
        clocks.set("database", ahead)
        await _gives(load, "judge", taken=taken, refused=2)
    clocks.set("database", 0)
    [row] = await load.rig.rows(_JUDGES_PERIODS, story.org_id, story.people["judge"].id)
    assert dict(row) == {"periods": 2, "most": LIMIT, "given": 2 * LIMIT}, dict(row)
    assert await load.rig.value(_ELSEWHERE, story.org_id) == 0


async def _gives(load: Load, giver: str, *, taken: int, refused: int) -> None:
    done = [await load.give_hi5(giver, number) for number in await thanks(load, taken + refused)]
    found = Counter(one.statuses[0] for one in done)
    assert found == Counter({201: taken, 400: refused}) - Counter(), (giver, found)


async def _seconds_to_the_end(load: Load) -> float:
    query = "SELECT max(ends_at) FROM recognition.allowances WHERE org_id = $1"
    ends_at: datetime = await load.rig.value(query, load.story.org_id)
    return ends_at.timestamp() - time.time()


async def over_the_end_of_a_period(scene: Scene) -> float:
    """People go on while a period ends: each spend belongs to the period in which it was made, and nobody waits."""
    load, org_id = scene.load, scene.load.story.org_id
    async with clocked_database(scene.rig) as clocks:
        await load.give_hi5("boss", (await thanks(load, 1))[0])
        clocks.set("database", await _seconds_to_the_end(load) - BEFORE_THE_END)
        first = len(load.operations)
        load.start()
        await asyncio.sleep(BEFORE_THE_END + AFTER_IT)
        await load.stop()
        during = load.operations[first:]
        assert all(one.answered for one in during), Counter(one.statuses[0] for one in during)
        periods = [row["spends"] for row in await load.rig.rows(_PERIODS, org_id)]
        assert len(periods) == 2, periods
        assert min(periods) >= LIMIT, periods
        assert await load.rig.value(_ELSEWHERE, org_id) == 0
    scene.note(f"{len(during)} calls, all answered; {periods[0]} spends before the end, {periods[1]} after it")
    return time.monotonic()
