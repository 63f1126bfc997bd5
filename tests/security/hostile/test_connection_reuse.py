"""S3: a connection that comes back to its pool after a failure, a cancel or a time-out belongs to no tenant."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from functools import partial

import asyncpg
import pytest

from services.quota.app import SERVICE
from shared.database import Database
from tests.support.databases import Build, ScratchDatabase, build_service

TURNS = 10_000
AT_ONCE = 16
SEEN = "SELECT array_agg(DISTINCT org_id) FROM idempotency_keys"
ENDS = ("good", "error", "wrong statement", "cancel", "time-out", "row that is refused")


BUILD = partial(build_service, SERVICE)


@pytest.fixture
def template_builder() -> Build:
    return BUILD


class OnPurpose(Exception):
    """What a handler raises in the middle."""


async def one_turn(database: Database, org_id: int, end: str) -> list[int]:
    """Works for an organisation until its end; gives the organisations whose rows it saw."""
    async with database.transaction(org_id) as tx:
        seen: list[int] = await tx.fetchval(SEEN)
        if end == "error":
            raise OnPurpose(seen)
        if end == "wrong statement":
            await tx.execute("SELECT 1 / 0")
        if end == "cancel":
            await tx.execute("SELECT pg_sleep(1)")
        if end == "time-out":
            await tx.execute("SELECT pg_sleep(1)", timeout=0.001)
        if end == "row that is refused":
            await tx.execute(
                "INSERT INTO idempotency_keys (org_id, caller, route, key, body_hash) VALUES ($1, 'x', 'x', 'x', '')",
                org_id + 1,
            )
        return seen


async def test_s3_ten_thousand_uses_of_a_pool_bleed_nothing(scratch: ScratchDatabase) -> None:
    admin = await asyncpg.connect(scratch.admin_url)
    await admin.execute(
        "INSERT INTO quota.idempotency_keys (org_id, caller, route, key, body_hash)"
        " SELECT org, 'a', 'b', 'c', '' FROM generate_series(1, 5) AS org"
    )
    await admin.close()
    database = await Database.connect(scratch.url("quota"), schema="quota", size=8)
    chance, ended, places = random.Random(3), Counter[str](), asyncio.Semaphore(AT_ONCE)

    async def turn() -> None:
        org_id = chance.randint(1, 5)
        end = chance.choices(ENDS, weights=(60, 20, 10, 4, 2, 4))[0]
        async with places:
            await outside(database)
            await ends_as_said(database, org_id, end)
            ended[end] += 1

    await asyncio.gather(*(turn() for _ in range(TURNS)))
    await database.close()
    assert ended.total() == TURNS
    assert set(ended) == set(ENDS)


async def outside(database: Database) -> None:
    """Who has no organisation sees nothing, whoever had the connection before."""
    async with database.connection() as connection:
        assert await connection.fetchval(SEEN) is None
        assert not connection.is_in_transaction()


async def ends_as_said(database: Database, org_id: int, end: str) -> None:
    match end:
        case "good":
            assert await one_turn(database, org_id, end) == [org_id]
        case "error":
            with pytest.raises(OnPurpose) as raised:
                await one_turn(database, org_id, end)
            assert raised.value.args == ([org_id],)
        case "cancel":
            task = asyncio.create_task(one_turn(database, org_id, end))
            await asyncio.sleep(0.002)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        case "wrong statement":
            with pytest.raises(asyncpg.DivisionByZeroError):
                await one_turn(database, org_id, end)
        case "time-out":
            with pytest.raises(TimeoutError):
                await one_turn(database, org_id, end)
        case _:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await one_turn(database, org_id, end)
