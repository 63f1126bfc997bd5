"""Connections to RabbitMQ, opened and closed so that none is left to the garbage collector."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import AMQPError
from yarl import URL

CLOSE_SECONDS = 2.0

BROKER_IS_AWAY = (AMQPError, OSError, TimeoutError, RuntimeError)
"""What an await on the broker raises besides its answer; aiormq raises `RuntimeError` for a closed channel."""


async def connect(url: str, within: float) -> AbstractConnection:
    """Raises one of `BROKER_IS_AWAY` when the broker refuses, or is not there within so many seconds."""
    connection = aio_pika.Connection(URL(url))
    try:
        await connection.connect(timeout=within)
    except BaseException:
        await connection.close()
        raise
    return connection


async def close(connection: AbstractConnection) -> None:
    """Says goodbye where somebody still listens."""
    with suppress(*BROKER_IS_AWAY):
        async with asyncio.timeout(CLOSE_SECONDS):
            await connection.close()
