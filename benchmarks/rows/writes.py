"""Writes, measured against the same SQL with nothing around it. Only HTTP is served: events wait in the outbox."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import asyncpg

from benchmarks.comparing import Contender, compare
from benchmarks.filling import PEOPLE, SMALL
from benchmarks.measuring import CannotMeasure, Load, wrk
from benchmarks.place import Place, Program
from benchmarks.table import Line, ratio_line
from tests.support.servers_postgres import postgres_binaries

DATABASE_CONNECTIONS = 8
"""As many as a service's pool has."""
PGBENCH_SCRIPT = f"""
SELECT given.status FROM (SELECT nextval('bench_numbers') AS n) AS next, LATERAL give_hi5(
    {SMALL.id}, 'bench', {SMALL.givers[0]} + (n + n / {SMALL.recognitions}) % {len(SMALL.givers)}, 3,
    {SMALL.first_recognition} + n % {SMALL.recognitions}, 'So true', 'pgbench', 'hi5', 'bench-' || n, '\\x00'::bytea
) AS given;
"""  # noqa: S608 - of numbers from here alone


@asynccontextmanager
async def serving_alone(place: Place) -> AsyncIterator[Program]:
    """The recognition service's HTTP side; no relay and no consumer runs meanwhile."""
    for service in ("recognition", "quota", "moderation"):
        await place.system.stop(service)
    try:
        async with place.serving() as program:
            yield program
    finally:
        for service in ("recognition", "quota", "moderation"):
            await place.system.start(service)


async def put_hi5s(url: str, seconds: float, *, people: str, numbers: int, first: int, count: int) -> Load:
    """Hi5s by the people of a file on `count` recognitions from the `first` on, none twice where `numbers` go on."""
    return await wrk(url, seconds, script="hi5", arguments=[people, str(numbers), str(first), str(count)])


async def put_recognitions(url: str, seconds: float, *, people: str, receiver: int, value: int) -> Load:
    """Recognitions by the people of a file."""
    return await wrk(url, seconds, script="recognition", arguments=[people, str(receiver), str(value)])


async def give_hi5s(place: Place, url: str, seconds: float) -> Load:
    """Hi5s in the installation under test."""
    load = await put_hi5s(
        url, seconds, people=place.people(), numbers=place.numbers, first=SMALL.first_recognition,
        count=SMALL.recognitions,
    )  # fmt: skip
    place.numbers += load.requests + PEOPLE
    return load


async def hi5(place: Place) -> list[Line]:
    async with (
        serving_alone(place) as mine,
        place.peer("bare", place.bytes_file(b"")) as bare,
        place.peer("fastapi_app", DATABASE_URL=place.admin_url, PUBLIC_KEY=place.signer.x) as others,
    ):
        contenders = [
            Contender(name, partial(give_hi5s, place, program.url), [program.pid])
            for name, program in (("ours", mine), ("bare", bare), ("fastapi", others))
        ]
        contenders.append(Contender("pgbench", lambda seconds: _pgbench(place, seconds), []))
        found = await compare(contenders, place.rounds, place.postgres)
    what = "POST /recognitions/:id/hi5"
    return [
        ratio_line(what, found[0], "bare write", found[1], 0.65),
        ratio_line(what, found[0], "FastAPI + SQLAlchemy", found[2], 6),
        ratio_line(what, found[0], "pgbench", found[3], None),
    ]


async def give(place: Place) -> list[Line]:
    async with serving_alone(place) as mine, place.peer("bare", place.bytes_file(b"")) as bare:

        async def load(url: str, seconds: float) -> Load:
            return await put_recognitions(
                url, seconds, people=place.people(), receiver=SMALL.receiver, value=SMALL.first_value
            )

        contenders = [
            Contender("ours", lambda seconds: load(mine.url, seconds), [mine.pid]),
            Contender("bare", lambda seconds: load(bare.url, seconds), [bare.pid]),
        ]
        found = await compare(contenders, place.rounds, place.postgres)
    return [ratio_line("POST /recognitions", found[0], "bare write of the same statements", found[1], 0.65)]


async def _pgbench(place: Place, seconds: float) -> Load:
    script = place.folder / "pgbench.sql"
    script.write_text(" ".join(PGBENCH_SCRIPT.split()) + "\n")
    url = f"{place.system.database_url('recognition')}?options=-csearch_path%3Drecognition"
    admin = await asyncpg.connect(place.admin_url)
    await admin.execute("SELECT setval('recognition.bench_numbers', $1)", place.numbers + 1)
    words = [
        str(postgres_binaries() / "pgbench"), "-n", "-M", "prepared", "-c", str(DATABASE_CONNECTIONS), "-j", "1",
        "-T", str(round(seconds)), "-f", str(script), url,
    ]  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode()
    place.numbers = await admin.fetchval("SELECT last_value FROM recognition.bench_numbers")
    await admin.close()
    done = re.search(r"actually processed: (\d+)", said)
    rate = re.search(r"tps = ([\d.]+)", said)
    if process.returncode or done is None or rate is None:
        raise CannotMeasure(f"pgbench failed: {said}")
    return Load(int(done[1]), int(done[1]) / float(rate[1]), 0, 0)
