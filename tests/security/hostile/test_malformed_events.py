"""F23, F25: thousands of messages that are no events are dead with their reasons, and good ones go on meanwhile."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import aio_pika
import asyncpg
import pytest

from services import secrets
from services.processes import Processes
from services.processes.broker import url_of
from services.processes.system import name_in_broker
from shared.bus.rabbitmq import REASON_HEADER
from shared.bus.topology import dead_of, exchange_of
from shared.envelope import Recorded, Undecodable, seal, unseal
from tests.security.hostile.amounts import amount
from tests.support.story import Story
from tests.support.waiting import eventually

pytestmark = [pytest.mark.alone, pytest.mark.timeout(240)]

MESSAGES = amount(2_000, 10_000)
CHUNK = 100
GOOD_ONES = 4
DELAYED_AT_MOST = 1.0
STRANGE: tuple[Any, ...] = (None, True, 0, -1, 1.5, "", "\0", "x" * 2_000, [], {}, [1], {"a": 1}, 2**70, "9" * 30, "-5")
RAW = (
    b"", b"null", b"[]", b"7", b'"x"', b"{", b"NaN", b'{"a": NaN}', b"\xff\xfe", b"\0" * 50, b"[" * 5_000, b"{}" * 3,
    b'{"data": ' + b'{"a":' * 2_000 + b"1" + b"}" * 2_001, b"x" * 70_000, "ä".encode("latin-1"),
    b'{"specversion": "1.0"}',
)  # fmt: skip
NEWEST = """
SELECT event_id AS id, org_id, type, subject, occurred_at, data::text, request_id, position,
    (SELECT epoch FROM recognition.outbox_epoch) AS epoch
FROM recognition.outbox WHERE type = 'Hi5Spent.v1' ORDER BY id DESC LIMIT 1
"""


def broken(good: Mapping[str, Any], chance: random.Random) -> bytes:
    """A message that no version of an event reads: raw bytes, or an event with something missing or wrong."""
    while True:
        made = _changed(json.loads(json.dumps(good)), chance) if chance.random() < 0.8 else chance.choice(RAW)
        try:
            unseal(made)
        except Undecodable:
            return made


def _changed(event: dict[str, Any], chance: random.Random) -> bytes:
    into = event if chance.random() < 0.6 else event["data"]
    name = chance.choice(sorted(into))
    if chance.random() < 0.4:
        del into[name]
    else:
        into[name] = chance.choice((*STRANGE, "peerly.Hi5Spent.v99", "/peerly/nobody", "2.0", "yesterday"))
    return json.dumps(event).encode()


async def newest_event(system: Processes) -> dict[str, Any]:
    admin = await asyncpg.connect(system.settings.database_url)
    try:
        row = await admin.fetchrow(NEWEST)
    finally:
        await admin.close()
    assert row is not None
    found: dict[str, Any] = json.loads(seal(Recorded(**row), "recognition"))
    return found


def broker_url(system: Processes, who: str) -> str:
    kept = secrets.load_or_make(system.settings.data_dir, [name_in_broker(who)])
    return url_of(system.settings, who, kept[name_in_broker(who)])


async def delay(story: Story, spent: int) -> float:
    """How long a hi5 takes to be in quota's books."""
    began = time.monotonic()

    async def is_booked() -> bool:
        return bool((await story.get("/quota/me", "cyd"))["spent"] >= spent)

    await eventually(is_booked, within=30)
    return time.monotonic() - began


async def test_f23_thousands_of_messages_that_are_no_events(system: Processes, story: Story) -> None:
    await story.thank()
    processes, good = dict(system.pids), await newest_event(system)
    chance, delays = random.Random(23), list[float]()
    assert GOOD_ONES < 5  # each of the story's people has five hi5s, and one is given
    connection = await aio_pika.connect(broker_url(system, "recognition"))
    admin = await aio_pika.connect(broker_url(system, "admin"))
    async with connection, admin:
        channel, looking = await connection.channel(), await admin.channel()
        exchange = await channel.get_exchange(exchange_of("recognition"), ensure=False)
        dead = await dead_in(looking, "quota")
        for chunk in range(MESSAGES // CHUNK):
            bodies = [broken(good, chance) for _ in range(CHUNK)]
            messages = [aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT) for body in bodies]
            sending = asyncio.gather(*(exchange.publish(message, "Hi5Spent.v1") for message in messages))
            if chunk % (MESSAGES // CHUNK // GOOD_ONES) == 0:
                spent = (await story.get("/quota/me", "cyd"))["spent"]
                await story.thank()
                delays.append(await delay(story, spent + 1))
            await sending
            dead += CHUNK
            await eventually(partial(are_dead, looking, "quota", dead), within=30)
        assert await reasons(looking, "quota") > 5
    assert dict(system.pids) == processes
    assert max(delays) <= DELAYED_AT_MOST, delays
    await story.check()


async def are_dead(channel: aio_pika.abc.AbstractChannel, service: str, count: int) -> None:
    assert await dead_in(channel, service) == count


async def dead_in(channel: aio_pika.abc.AbstractChannel, service: str) -> int:
    queue = await channel.declare_queue(dead_of(service), passive=True)
    return queue.declaration_result.message_count or 0


async def reasons(channel: aio_pika.abc.AbstractChannel, service: str) -> int:
    """How many different reasons the dead of a service have; a message without one fails."""
    queue, found = await channel.get_queue(dead_of(service), ensure=False), set[str]()
    for _ in range(200):
        message = await queue.get(no_ack=False, fail=False)
        if message is None:
            break
        reason = str(message.headers.get(REASON_HEADER, ""))
        assert reason, message.headers
        found.add(reason)
    return len(found)
