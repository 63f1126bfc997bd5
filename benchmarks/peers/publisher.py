"""aio-pika alone: publishes the messages of a file with confirms, 200 under way, and prints what it took.

`python -m benchmarks.peers.publisher FILE` with AMQP_URL and EXCHANGE; each line is a routing key, a space and a body.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter, process_time

import aio_pika
import uvloop
from aio_pika.abc import AbstractExchange

UNDER_WAY = 200


async def publish(lines: list[bytes]) -> None:
    connection = await aio_pika.connect(os.environ["AMQP_URL"])
    channel = await connection.channel(publisher_confirms=True)
    exchange = await channel.get_exchange(os.environ["EXCHANGE"], ensure=False)
    left = iter(lines)
    began, used = perf_counter(), process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(UNDER_WAY):
            tasks.create_task(_publish_rest(exchange, left))
    print(json.dumps({"seconds": perf_counter() - began, "cpu": process_time() - used}))
    await connection.close()


async def _publish_rest(exchange: AbstractExchange, left: Iterator[bytes]) -> None:
    for line in left:
        key, _, body = line.partition(b" ")
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await exchange.publish(message, key.decode(), mandatory=True)


if __name__ == "__main__":
    uvloop.run(publish(Path(sys.argv[1]).read_bytes().splitlines()))
