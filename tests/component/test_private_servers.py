"""The servers that tests start for themselves can be killed and come back as they were."""

from __future__ import annotations

import contextlib
from pathlib import Path

import aio_pika
import asyncpg
import psutil
import pytest

from shared.bus.connection import connect
from tests.support.databases import Databases, ScratchDatabase
from tests.support.servers import (
    POSTGRES,
    RABBITMQ,
    Postgres,
    Rabbitmq,
    Unusable,
    first_usable,
    private_postgres,
    private_rabbitmq,
)
from tests.support.servers_postgres import PrivatePostgres
from tests.support.servers_rabbitmq import PrivateRabbitmq
from tests.support.waiting import eventually

pytestmark = pytest.mark.fault


async def _one(url: str) -> int:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        return int(await connection.fetchval("SELECT 1"))
    finally:
        await connection.close()


async def _keep(amqp_url: str, body: bytes) -> None:
    connection = await aio_pika.connect(amqp_url, timeout=5)
    async with connection, connection.channel() as channel:
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "kept", timeout=10)


async def _kept(amqp_url: str) -> bytes:
    connection = await aio_pika.connect(amqp_url, timeout=5)
    async with connection, connection.channel() as channel:
        queue = await channel.get_queue("kept")
        async with queue.iterator(timeout=20) as messages:
            async for message in messages:
                await message.ack()
                return message.body
    raise AssertionError("the queue is empty")


async def test_postgres_comes_back_from_a_kill_at_the_same_address(tmp_path: Path) -> None:
    async with PrivatePostgres(tmp_path / "postgres") as server:
        url, first = server.url, server.pid
        await server.kill()
        with pytest.raises(OSError, match="Connect call failed"):
            await _one(url)
        await server.start()
        assert await _one(url) == 1
        await server.restart()
        assert await _one(url) == 1
        assert server.pid != first


async def test_rabbitmq_keeps_a_confirmed_message_through_a_kill_and_a_restart(tmp_path: Path) -> None:
    broker = PrivateRabbitmq(tmp_path / "rabbitmq")
    async with broker:
        await _keep(broker.url, b"through a kill")
        await eventually(lambda: broker.has_registered("kept"))
        await broker.kill()
        with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
            await connect(broker.url, 5)
        await broker.start()
        assert await _kept(broker.url) == b"through a kill"
        await _keep(broker.url, b"through a restart")
        await broker.restart()
        assert await _kept(broker.url) == b"through a restart"
    assert not [process for process in psutil.process_iter(["environ"]) if _belongs_to(process, tmp_path)]


def _belongs_to(process: psutil.Process, folder: Path) -> bool:
    environment = process.info["environ"] or {}
    return str(environment.get("HOME", "")).startswith(str(folder)) and process.status() != psutil.STATUS_ZOMBIE


async def test_private_servers_serve_where_nothing_else_does(tmp_path: Path) -> None:
    async with (
        first_usable("PostgreSQL", (private_postgres,), tmp_path) as server,
        first_usable("RabbitMQ", (private_rabbitmq,), tmp_path) as broker,
    ):
        await _exercise(server, broker)


async def test_first_servers_found_serve(tmp_path: Path) -> None:
    async with (
        first_usable("PostgreSQL", POSTGRES, tmp_path) as server,
        first_usable("RabbitMQ", RABBITMQ, tmp_path) as broker,
    ):
        await _exercise(server, broker)


async def _exercise(server: Postgres, broker: Rabbitmq) -> None:
    databases = Databases(server)
    first, second = await databases.make(_build), await databases.make(_build)
    for database in (first, second):
        connection = await asyncpg.connect(database.admin_url, timeout=5)
        assert await connection.execute("DELETE FROM things") == "DELETE 1"
        await connection.close()
        assert await _one(database.url("quota")) == 1
        await databases.drop(database)
    await databases.close()
    assert await _left(server, first, second) == []

    async with broker.virtual_host() as one, broker.virtual_host() as other:
        await _keep(one, b"in one")
        await _keep(other, b"in the other")
        assert await _kept(one) == b"in one"
    await broker.remove_virtual_hosts()


async def _build(admin_url: str) -> None:
    connection = await asyncpg.connect(admin_url, timeout=5)
    with contextlib.suppress(asyncpg.DuplicateObjectError):
        await connection.execute("CREATE ROLE peerly_quota LOGIN")
    await connection.execute("CREATE TABLE things AS SELECT 'lamp' AS name")
    await connection.close()


async def _left(server: Postgres, *databases: ScratchDatabase) -> list[str]:
    connection = await asyncpg.connect(server.url, timeout=5)
    session = databases[0].name.rpartition("_")[0]
    rows = await connection.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", session)
    await connection.close()
    return [row["datname"] for row in rows]


async def test_every_reason_is_given_when_there_is_no_server(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="found no Frobnitz:\n- install it\n- install it"):
        async with first_usable("Frobnitz", (_Missing, _Missing), tmp_path):
            pass


class _Missing(contextlib.AbstractAsyncContextManager[None]):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def __aenter__(self) -> None:
        raise Unusable("install it")

    async def __aexit__(self, *_: object) -> None:
        raise AssertionError("what never opened was closed")
