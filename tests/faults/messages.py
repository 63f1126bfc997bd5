"""F21 to F25, F28, F51: events that come often, in any order, broken, too large, unknown, forged; all of them again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4

import aio_pika
import orjson
import psutil
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import AMQPError

from shared.bus.message import replay_key
from shared.bus.topology import exchange_of, queue_of
from shared.clock import utc_now
from shared.envelope import Recorded, seal
from tests.faults.races import thanks
from tests.faults.row import Scene
from tests.support.waiting import eventually

MEGABYTE = 1024 * 1024
LARGEST_SERVICE = 256 * MEGABYTE
LARGEST_MESSAGE = 128 * MEGABYTE
STATE = """
SELECT md5(string_agg(book::text, ',' ORDER BY allowance_id)) FROM (
    SELECT allowance_id, user_id, seq, granted, spent_total, refunded_total, policy_version, period
    FROM quota.allowance_books WHERE org_id = $1
) AS book
"""


@dataclass(frozen=True)
class Taken:
    """A message as it was in a queue."""

    publisher_exchange: str
    body: bytes


@asynccontextmanager
async def channel_of(scene: Scene, who: str = "admin") -> AsyncIterator[AbstractChannel]:
    connection = await aio_pika.connect(scene.rig.amqp_url(who))
    try:
        yield await connection.channel(on_return_raises=True)
    finally:
        await connection.close()


async def send(channel: AbstractChannel, exchange: str, bodies: Sequence[bytes], service: str = "quota") -> None:
    """To one service alone, by way of a publisher's exchange."""
    place = await channel.get_exchange(exchange, ensure=False)
    for body in bodies:
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await place.publish(message, replay_key(service), timeout=30)


async def kept_from_quota(scene: Scene) -> list[Taken]:
    """What people do while quota is away, taken out of its queue."""
    scene.rig.kill("quota", hold=True)
    for number in await thanks(scene.load, scene.size):
        for giver in ("ann", "boss", "judge", "cyd"):
            await scene.load.give_hi5(giver, number)
    await eventually(lambda: _all_sent(scene), within=30, every=0.1)
    async with channel_of(scene) as channel:
        queue = await channel.get_queue(queue_of("quota"))
        count, taken = queue.declaration_result.message_count or 0, list[Taken]()
        async with queue.iterator(timeout=10) as messages:
            while len(taken) < count:
                message = await anext(messages)
                taken.append(Taken(message.exchange or "", message.body))
                await message.ack()
    return taken


async def _all_sent(scene: Scene) -> bool:
    return not await scene.rig.value("SELECT count(*) FROM recognition.outbox WHERE sent_at IS NULL")


async def duplicates(scene: Scene) -> float:
    """Each message two to ten times, some at once and some later."""
    taken = await kept_from_quota(scene)
    copies = [one for one in taken for _ in range(random.randint(2, 10))]
    await _give_back(scene, copies + taken)
    scene.note(f"{len(taken)} events came {len(copies) + len(taken)} times")
    return time.monotonic()


async def shuffled(scene: Scene) -> float:
    """Every order is possible."""
    taken = await kept_from_quota(scene)
    random.shuffle(taken)
    await _give_back(scene, taken)
    scene.note(f"{len(taken)} events shuffled")
    return time.monotonic()


async def _give_back(scene: Scene, taken: Sequence[Taken]) -> None:
    async with channel_of(scene) as channel:
        for one in taken:
            await send(channel, one.publisher_exchange, [one.body])
    await scene.rig.start("quota")


def malformed_bodies(count: int) -> list[bytes]:
    whole = orjson.loads(_event("Hi5Spent.v1", "recognition"))
    made: list[bytes] = [b"", b"\xff\x00", b"NaN", b"[" * 4_000 + b"]" * 4_000, b'{"a":1,"a":2}', b"null", b"{}"]
    while len(made) < count:
        broken = dict(whole)
        name = random.choice(list(broken))
        broken[name] = random.choice([None, 7, True, [], {}, "", "\0", 1e308, "x" * 300])
        if random.random() < 0.3:
            del broken[name]
        broken["data"] = broken.get("data", {}) if random.random() < 0.5 else {"id": random.choice([None, "x", -1])}
        made.append(orjson.dumps(broken))
    return made[:count]


def _event(wire_type: str, publisher: str) -> bytes:
    recorded = Recorded(uuid4(), 1, wire_type, "recognition/1", utc_now(), "{}")
    return seal(recorded, publisher)


async def malformed(scene: Scene) -> float:
    """Dead with a reason, each of them; the process lives, and what is well is not delayed."""
    rig, pid = scene.rig, scene.rig.system.pids["quota"]
    async with channel_of(scene) as channel:
        sending = asyncio.create_task(send(channel, exchange_of("recognition"), malformed_bodies(scene.size)))
        await sending
    await eventually(lambda: _dead(scene, scene.size), within=60, every=0.3)
    assert rig.system.pids["quota"] == pid, "the consumer was restarted"
    listed = (await rig.tool("quota", "dead", "list", "--limit", "100000")).splitlines()[1:]
    scene.note(f"{scene.size} sent, {len(listed)} different ones dead with a reason, no restart")
    await rig.tool("quota", "dead", "drop", "--all")
    return time.monotonic()


async def _dead(scene: Scene, least: int) -> bool:
    return (await scene.rig.in_queues("dead"))["quota"] >= least


async def oversized(scene: Scene) -> float:
    """1 and 16 MB are dead, more than 128 MB are refused by the broker; the consumer stays small."""
    rig = scene.rig
    async with channel_of(scene) as channel:
        await send(channel, exchange_of("recognition"), [b"x" * MEGABYTE, b'"' + b"y" * 16 * MEGABYTE + b'"'])
    await eventually(lambda: _dead(scene, 2), within=60, every=0.3)
    largest = psutil.Process(rig.system.pids["quota"]).memory_info().rss
    assert largest < LARGEST_SERVICE, largest
    refused = False
    async with channel_of(scene) as channel:
        try:
            await send(channel, exchange_of("recognition"), [b"z" * (LARGEST_MESSAGE + 1)])
        except (AMQPError, ConnectionError, RuntimeError):
            refused = True
    assert refused
    scene.note(f"quota at {largest / MEGABYTE:.0f} MB after 1 and 16 MB; 128 MB refused by the broker")
    await rig.tool("quota", "dead", "drop", "--all")
    return time.monotonic()


async def unknown_types(scene: Scene) -> float:
    """Of a version to come: kept, and not given back by a version that cannot read them."""
    kinds = ("Hi5Spent.v9", "UserJoined.v2", "NobodyKnowsThis.v1", "QuotaPolicyChanged.v7")
    publishers = ("recognition", "auth", "recognition", "quota")
    async with channel_of(scene) as channel:
        for kind, publisher in zip(kinds, publishers, strict=True):
            await send(channel, exchange_of(publisher), [_event(kind, publisher)])
    await eventually(lambda: _dead(scene, len(kinds)), within=30, every=0.3)
    await scene.rig.tool("quota", "dead", "retry", "--all")
    kept = await scene.rig.value("SELECT count(*) FROM quota.dead")
    assert kept == len(kinds), kept
    scene.note(f"{kept} of {len(kinds)} kept for a version that can read them")
    await scene.rig.tool("quota", "dead", "drop", "--all")
    return time.monotonic()


async def forged(scene: Scene) -> float:
    """Another service's user may not publish there; by its own exchange the event is not believed."""
    await scene.load.give_hi5("boss", (await thanks(scene.load, 1))[0])
    body = await _imitation(scene)
    refused = 0
    for exchange in (exchange_of("recognition"), "", exchange_of("auth")):
        async with channel_of(scene, "moderation") as channel:
            try:
                place = channel.default_exchange if not exchange else await channel.get_exchange(exchange, ensure=False)
                key = queue_of("quota") if not exchange else replay_key("quota")
                await place.publish(aio_pika.Message(body), key, timeout=5)
            except AMQPError:
                refused += 1
    assert refused == 3, refused
    async with channel_of(scene, "moderation") as channel:
        await send(channel, exchange_of("moderation"), [body])
    await eventually(lambda: _dead(scene, 1), within=30, every=0.3)
    said = await scene.rig.tool("quota", "dead", "list")
    assert "forged" in said, said
    scene.note("3 of 3 refused by the broker, 1 of 1 by the consumer")
    await scene.rig.tool("quota", "dead", "drop", "--all")
    return time.monotonic()


async def _imitation(scene: Scene) -> bytes:
    """A real spend under a new id."""
    query = "SELECT org_id, type, subject, data::text AS data FROM recognition.outbox WHERE type = $1 LIMIT 1"
    row = (await scene.rig.rows(query, "Hi5Spent.v1"))[0]
    recorded = Recorded(uuid4(), row["org_id"], row["type"], row["subject"], utc_now(), row["data"])
    return seal(recorded, "recognition")


async def rebuilt(scene: Scene) -> float:
    """The ledger emptied and made anew from the kept events."""
    for number in await thanks(scene.load, scene.size):
        for giver in ("ann", "boss", "judge"):
            await scene.load.give_hi5(giver, number)
    await eventually(lambda: _at_rest(scene), within=30, every=0.1)
    before = await scene.rig.value(STATE, scene.load.story.org_id)
    await scene.rig.tool("quota", "rebuild")
    after = await scene.rig.value(STATE, scene.load.story.org_id)
    assert before, "there are no books"
    assert before == after, "the rebuilt books are others"
    scene.note("books equal by hash")
    return time.monotonic()


async def _at_rest(scene: Scene) -> bool:
    """The ledger has everything, what is still in the queue included."""
    return not await scene.rig.broken()
