"""aio-pika and asyncpg alone: books the events of a queue, 32 in a transaction and with one acknowledgement.

`python -m benchmarks.peers.consumer QUEUE` with AMQP_URL, and DATABASE_URL of the quota service's role. It writes the
rows that the quota service writes (inbox, book, entries, postings, balance, outbox) and checks nothing.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, TypeAlias

import aio_pika
import asyncpg
import orjson
import uvloop
from aio_pika.abc import AbstractIncomingMessage

from benchmarks.peers import statements

TOGETHER = 32
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def consume(queue_name: str) -> None:
    database = await asyncpg.connect(
        os.environ["DATABASE_URL"], server_settings={"search_path": "quota", "jit": "off", "timezone": "UTC"}
    )
    connection = await aio_pika.connect(os.environ["AMQP_URL"])
    channel = await connection.channel(publisher_confirms=False)
    await channel.set_qos(prefetch_count=TOGETHER)
    arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    queue = await channel.get_queue(queue_name, ensure=False)
    await queue.consume(arrived.put)
    print("ready", flush=True)
    while True:
        messages = [await arrived.get()]
        while not arrived.empty():
            messages.append(arrived.get_nowait())
        await _book_all(database, [orjson.loads(message.body) for message in messages])
        await messages[-1].ack(multiple=True)


async def _book_all(database: Connection, envelopes: list[dict[str, Any]]) -> None:
    await database.execute(f"BEGIN; SET LOCAL app.org_id = '{int(envelopes[0]['orgid'])}'")
    ids = [envelope["id"] for envelope in envelopes]
    fresh = {str(row[0]) for row in await database.fetch(statements.INBOX, ids)}
    told = [await _book(database, envelope) for envelope in envelopes if envelope["id"] in fresh]
    subjects = [f"balance/{balance['user_id']}" for balance in told]
    bodies = [orjson.dumps(balance).decode() for balance in told]
    await database.fetch(statements.APPEND, ["Hi5BalanceChanged.v1"] * len(told), subjects, bodies)
    await database.execute("COMMIT")


async def _book(database: Connection, envelope: dict[str, Any]) -> dict[str, Any]:
    event = envelope["data"]
    held = event["allowance"]
    row = await database.fetchrow(
        statements.BOOK, held["id"], held["user_id"], held["starts_at"], held["ends_at"], held["seq"], held["granted"],
        held["spent_total"], held["refunded_total"], held["policy_version"], held["epoch"], envelope["id"],
        event["recognition_id"], event["given_at"], ["spend"], [-1], [1], [None],
    )  # fmt: skip
    assert row is not None
    return {"user_id": held["user_id"], **row}


if __name__ == "__main__":
    uvloop.run(consume(sys.argv[1]))
