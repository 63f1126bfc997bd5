"""The way of events: outbox to broker, broker to ledger, and the whole of it as a person sees it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import dataclass
from statistics import median, quantiles
from time import monotonic
from typing import Any

import aio_pika
import aiohttp
import asyncpg
from aio_pika import ExchangeType

from benchmarks.comparing import Figures, middle, used
from benchmarks.filling import PROBES, SERVICES, SMALL
from benchmarks.measuring import ROOT, CannotMeasure, peak_megabytes
from benchmarks.place import Place, Program, until
from benchmarks.rows.writes import give_hi5s
from benchmarks.table import Line, limit_line, ratio_line
from deploy.broker import ADMIN
from shared.envelope import Recorded, seal
from tests.support import load
from tests.support.load import Plan, http_request

EXCHANGE, QUEUES = "bench", {"Hi5Spent.v1": "bench.quota", "Hi5sReceivedChanged.v1": "bench.auth"}
DRAIN_SECONDS = 120.0
PATIENCE = 30.0
ASK_SECONDS = 0.005
READY = b"ready"
SHARE_OF_FULL = 0.5

_GIVE = """
SELECT count(given.status) FROM generate_series($1::bigint, $2::bigint) AS n, LATERAL give_hi5(
    $3, 'bench', $4 + n % $5, 3, $6 + n % $7, 'So true', 'bench', 'hi5', 'bench-' || n, '\\x00'::bytea
) AS given
"""
_TAKE = """
WITH taken AS (DELETE FROM recognition.outbox WHERE position IS NULL RETURNING *)
SELECT event_id, org_id, type, subject, data::text AS data, request_id, occurred_at, id AS place
FROM taken ORDER BY taken.id
"""
_UNSENT = "SELECT count(*) FROM recognition.outbox WHERE sent_at IS NULL"
_HANDLED = "SELECT count(*) FROM quota.inbox"


@dataclass(frozen=True, slots=True)
class Stage:
    """The servers' own views of what is under way."""

    place: Place
    admin: asyncpg.Connection[asyncpg.Record]
    count: int

    async def give(self) -> None:
        """Writes hi5s, each with two events, in one transaction."""
        place = self.place
        recognition = await asyncpg.connect(
            place.system.database_url("recognition"), server_settings={"search_path": "recognition"}
        )
        try:
            first = place.numbers + 1
            place.numbers += self.count
            await recognition.fetchval(
                _GIVE, first, place.numbers, SMALL.id, SMALL.givers[0], len(SMALL.givers), SMALL.first_recognition,
                SMALL.recognitions,
            )  # fmt: skip
        finally:
            await recognition.close()

    async def take(self) -> bytes:
        """Takes the events out before a relay sees them; a line each, as the publisher's file has them."""
        lines = []
        for row in await self.admin.fetch(_TAKE):
            values = dict(row)
            recorded = Recorded(values.pop("event_id"), position=values.pop("place"), epoch=1, **values)
            lines.append(row["type"].encode() + b" " + seal(recorded, "recognition"))
        return b"\n".join(lines)

    async def work(self, program: Program, query: str, wanted: int, count: int) -> Figures:
        """Lets a halted program go and waits until the query says that it is done."""
        before, began = (used([program.pid]), used([self.place.postgres])), monotonic()
        program.process.send_signal(signal.SIGCONT)

        async def done() -> bool:
            return bool(await self.admin.fetchval(query) == wanted)

        await until(done, DRAIN_SECONDS, f"{query} is {wanted}")
        seconds = monotonic() - began
        after = used([program.pid]), used([self.place.postgres])
        server, database = ((late - early) * 1e6 for early, late in zip(before, after, strict=True))
        return Figures(count / seconds, server / count, database / count, memory=peak_megabytes(program.pid))


async def relay_and_consumer(place: Place) -> list[Line]:
    """Hi5s are given in one transaction; their events are relayed, then those that are for the ledger are booked."""
    for service in SERVICES:
        await place.system.stop(service)
    admin = await asyncpg.connect(place.admin_url)
    stage = Stage(place, admin, 500 if place.quick else 5_000)
    try:
        await _declare(place)
        rounds = [(*await _ours(stage), *await _barely(stage)) for _ in range(place.rounds.count)]
    finally:
        await admin.close()
        for service in SERVICES:
            await place.system.start(service)
    relayed, booked, published, barely_booked = (middle(each) for each in zip(*rounds, strict=True))
    return [
        ratio_line("relay: outbox to confirmed", relayed, "bare publisher", published, 0.70),
        ratio_line("consumer: queue to ledger", booked, "bare consumer", barely_booked, 0.70),
    ]


async def _declare(place: Place) -> None:
    """An exchange and quorum queues for the peers, as the services have them."""
    connection = await aio_pika.connect(place.system.amqp_url(ADMIN))
    try:
        channel = await connection.channel()
        exchange = await channel.declare_exchange(EXCHANGE, ExchangeType.TOPIC, durable=True)
        for key, name in QUEUES.items():
            arguments: dict[str, Any] = {
                "x-queue-type": "quorum",
                "x-single-active-consumer": True,
                "x-overflow": "reject-publish",
            }
            queue = await channel.declare_queue(name, durable=True, arguments=arguments)
            await queue.bind(exchange, key)
    finally:
        await connection.close()


async def _ours(stage: Stage) -> tuple[Figures, Figures]:
    handled = await stage.admin.fetchval(_HANDLED)
    async with stage.place.worker("quota", "consume") as consumer, stage.place.worker("recognition", "relay") as relay:
        for program in (consumer, relay):
            program.process.send_signal(signal.SIGSTOP)
        await stage.give()
        relayed = await stage.work(relay, _UNSENT, 0, stage.count * len(QUEUES))
        return relayed, await stage.work(consumer, _HANDLED, handled + stage.count, stage.count)


async def _barely(stage: Stage) -> tuple[Figures, Figures]:
    place, handled = stage.place, await stage.admin.fetchval(_HANDLED)
    broker = {**os.environ, "AMQP_URL": place.system.amqp_url(ADMIN), "EXCHANGE": EXCHANGE}
    consuming = [sys.executable, "-m", "benchmarks.peers.consumer", QUEUES["Hi5Spent.v1"]]
    environment = {**broker, "DATABASE_URL": place.system.database_url("quota")}
    await stage.give()
    messages = await stage.take()
    async with place.program(consuming, environment, says=READY) as consumer:
        consumer.process.send_signal(signal.SIGSTOP)
        published = await _publish(place, messages, broker)
        return published, await stage.work(consumer, _HANDLED, handled + stage.count, stage.count)


async def _publish(place: Place, messages: bytes, broker: dict[str, str]) -> Figures:
    """The bare publisher tells what it took itself: it ends when all is confirmed."""
    command = [sys.executable, "-m", "benchmarks.peers.publisher", place.bytes_file(messages)]
    process = await asyncio.create_subprocess_exec(*command, env=broker, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    if process.returncode:
        raise CannotMeasure("the bare publisher failed")
    found, count = json.loads(said), len(messages.splitlines())
    return Figures(count / found["seconds"], found["cpu"] * 1e6 / count, 0)


async def visible(place: Place) -> list[Line]:
    """From the answer to a hi5 until the giver's balance at GET /quota/me is one less, while others give."""
    admin = await asyncpg.connect(place.admin_url)
    try:
        full = await _full_rate(place, admin)
    finally:
        await admin.close()
    rate = full * SHARE_OF_FULL
    seconds = 3.0 if place.quick else 20.0
    plan = Plan(place.system.service_url("recognition"), _requests(place, int(rate * seconds)), seconds, 64, rate)
    loading = asyncio.create_task(load.put_on(plan))
    delays = await _probe(place, loading)
    outcome = await loading
    if set(outcome.answers) != {201}:
        raise CannotMeasure(f"hi5s at half of full load were answered {outcome.answers}")
    what = f"commit to balance visible, p99 at {rate:.0f} hi5s/s (half of full load)"
    return [limit_line(what, quantiles(delays, n=100)[98], 250, "ms", p50=f"{median(delays):.1f}")]


async def _full_rate(place: Place, admin: asyncpg.Connection[asyncpg.Record]) -> float:
    """Hi5s a second that get through to the ledger while as many are given as can be."""
    before = await admin.fetchval(_HANDLED)
    began = monotonic()
    given = await give_hi5s(place, place.system.service_url("recognition"), place.rounds.seconds)

    async def booked() -> bool:
        return bool(await admin.fetchval(_HANDLED) - before >= given.requests)

    await until(booked, DRAIN_SECONDS, "all hi5s are booked")
    return given.requests / (monotonic() - began)


def _requests(place: Place, count: int) -> list[str]:
    made = []
    for number in range(place.numbers + 1, place.numbers + count + 1):
        person = SMALL.givers[(number + number // SMALL.recognitions) % len(SMALL.givers)]
        path = f"/recognitions/{SMALL.first_recognition + number % SMALL.recognitions}/hi5"
        made.append(http_request("POST", path, place.token(person), {"comment": "So true"}))
    place.numbers += count
    return made


async def _probe(place: Place, loading: asyncio.Task[load.Outcome]) -> list[float]:
    """Milliseconds, one hi5 after the other by people who give no others, until the load ends."""
    delays: list[float] = []
    async with aiohttp.ClientSession() as session:
        while not loading.done():
            person = SMALL.first_person + len(delays) % PROBES
            headers = {"Authorization": f"Bearer {place.token(person)}"}
            before = await _balance(session, place, headers)
            path = f"/recognitions/{SMALL.first_recognition + len(delays)}/hi5"
            url = place.system.service_url("recognition") + path
            async with session.post(url, headers=headers, json={}) as answer:
                if answer.status != 201:
                    raise CannotMeasure(f"{path}: {answer.status} {(await answer.read())[:300]!r}")
            began = monotonic()
            while await _balance(session, place, headers) == before:
                if monotonic() - began > PATIENCE:
                    raise CannotMeasure(f"a balance did not follow within {PATIENCE:.0f} s")
                await asyncio.sleep(ASK_SECONDS)
            delays.append((monotonic() - began) * 1000)
    return delays


async def _balance(session: aiohttp.ClientSession, place: Place, headers: dict[str, str]) -> int:
    async with session.get(place.system.service_url("quota") + "/quota/me", headers=headers) as answer:
        return int((await answer.json())["data"]["balance"])
