"""How a service's pool behaves when the server ends its connections."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import asyncpg
import pytest

from shared.database import DATABASE_IS_AWAY, Database
from tests.support.databases import ScratchDatabase
from tests.support.waiting import eventually


@pytest.fixture
async def database(scratch: ScratchDatabase) -> AsyncIterator[Database]:
    opened = await Database.connect(scratch.url("quota"), schema="quota", size=1)
    yield opened
    await opened.close()


def end_at_once(scratch: ScratchDatabase, process_id: int) -> None:
    """Blocks the event loop, so that the server's last words lie unread when it goes on."""
    ended = f"SELECT pg_terminate_backend({process_id}, 5000)"
    subprocess.run(["psql", "--no-psqlrc", "--quiet", "--command", ended, scratch.admin_url], check=True, timeout=10)


@pytest.mark.parametrize("turns", range(6))
async def test_at_every_moment_of_its_end_a_connection_says_that_the_database_is_away(
    scratch: ScratchDatabase, database: Database, turns: int
) -> None:
    async def speak_to_the_dying() -> None:
        async with database.transaction() as tx:
            end_at_once(scratch, await tx.fetchval("SELECT pg_backend_pid()"))
            for _ in range(turns):
                await asyncio.sleep(0)
            await tx.fetchval("SELECT $1::int", 1)

    with pytest.raises(DATABASE_IS_AWAY):
        await speak_to_the_dying()
    assert await database.fetch_value("SELECT $1::int", 1) == 1


@pytest.mark.parametrize("turns", range(6))
async def test_one_that_ended_in_the_pool_costs_one_request_at_most(
    scratch: ScratchDatabase, database: Database, turns: int
) -> None:
    end_at_once(scratch, await database.fetch_value("SELECT pg_backend_pid()"))
    for _ in range(turns):
        await asyncio.sleep(0)
    with contextlib.suppress(*DATABASE_IS_AWAY):
        await database.fetch_value("SELECT $1::int", 1)
    assert await database.fetch_value("SELECT $1::int", 1) == 1


async def test_those_that_ended_while_they_were_at_hand_cost_no_request(scratch: ScratchDatabase) -> None:
    database = await Database.connect(scratch.url("quota"), schema="quota", size=3)
    try:
        ended = await at_hand(database, 3)
        admin = await asyncpg.connect(scratch.admin_url)
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'peerly_quota'")
        await admin.close()
        await eventually(lambda: len(ended) == 3)
        assert await asyncio.gather(*(database.fetch_value("SELECT $1::int", number) for number in range(6))) == [
            *range(6)
        ]
    finally:
        await database.close()


async def test_one_that_ends_after_its_last_answer_takes_the_answer_from_nobody(
    scratch: ScratchDatabase, database: Database
) -> None:
    async with database.connection() as connection:
        ended: list[object] = []
        connection.add_termination_listener(ended.append)
        answer = await connection.fetchval("SELECT pg_backend_pid()")
        end_at_once(scratch, answer)
        await eventually(lambda: ended)
    assert await database.fetch_value("SELECT $1::int", 1) == 1


async def at_hand(database: Database, count: int) -> list[object]:
    """Has so many connections come back; what it returns grows with each that ends."""
    ended: list[object] = []
    async with AsyncExitStack() as stack:
        for _ in range(count):
            connection = await stack.enter_async_context(database.connection())
            connection.add_termination_listener(ended.append)
    return ended


async def test_a_role_that_may_not_log_in_for_a_while_is_a_database_that_is_away(scratch: ScratchDatabase) -> None:
    role, place = f"guest_{secrets.token_hex(4)}", urlsplit(scratch.admin_url)
    url = place._replace(netloc=f"{role}:{role}@{place.hostname}:{place.port or 5432}").geturl()
    admin = await asyncpg.connect(scratch.admin_url)
    await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    database = await Database.connect(url, schema="public", size=1)
    try:
        await admin.execute(f"ALTER ROLE {role} NOLOGIN")
        end_at_once(scratch, await database.fetch_value("SELECT pg_backend_pid()"))
        for _ in range(2):
            with pytest.raises(DATABASE_IS_AWAY):
                await database.fetch_value("SELECT $1::int", 1)
        await admin.execute(f"ALTER ROLE {role} LOGIN")
        assert await database.fetch_value("SELECT $1::int", 1) == 1
    finally:
        await database.close()
        await admin.execute(f"DROP ROLE {role}")
        await admin.close()


@pytest.mark.parametrize("name", ["transaction", "statement"])
async def test_who_waited_for_a_connection_waits_the_less_for_locks(database: Database, name: str) -> None:
    """Both together take a client no more than little over a second."""

    way = getattr(database, name)

    async def lock_timeout() -> int:
        async with way() as connection:
            return int(await connection.fetchval("SELECT setting FROM pg_settings WHERE name = 'lock_timeout'"))

    assert await lock_timeout() == 1_000
    async with database.transaction():
        waiting = asyncio.create_task(lock_timeout())
        await asyncio.sleep(0.5)
    assert 50 <= await waiting <= 500
    assert await lock_timeout() == 1_000
