"""S12: a service that was away takes no ended token when it is back, however much it has to catch up with."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from tests.support.processes import running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.sessions import Sessions
from tests.support.waiting import eventually

pytestmark = pytest.mark.alone

BACKLOG = 3_000
WITHIN_SECONDS = 1.0
AGAIN = """
INSERT INTO auth.outbox (org_id, type, subject, data)
SELECT org_id, type, subject, data
FROM
    (SELECT * FROM auth.outbox WHERE type LIKE 'UserChanged%' ORDER BY id DESC LIMIT 1) AS newest,
    generate_series(1, $1)
"""


async def test_s12_what_ended_while_a_service_was_away_is_refused_within_a_second_of_its_return(
    postgres: Postgres, rabbitmq: Rabbitmq, tmp_path: Path
) -> None:
    async with (
        running_system(postgres, rabbitmq, tmp_path, {}) as system,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as http,
    ):
        sessions = Sessions(system, http)
        await sessions.begin()
        await sessions.moderator("mo")
        token = await sessions.sign_in("mo")
        await eventually(lambda: is_taken(sessions, token))
        system.kill("quota", hold=True)
        await publish_again(system.settings.database_url, BACKLOG)
        assert (await sessions.ask("auth", "POST", "/logout", token))[0] == 200
        await system.start("quota")
        back = time.monotonic()
        while await sessions.status("quota", token) != 401:
            assert time.monotonic() - back < WITHIN_SECONDS, "it goes on taking it"
            await asyncio.sleep(0.02)
        assert await unhandled(system.settings.database_url) > BACKLOG / 2, "the others were no obstacle"


async def is_taken(sessions: Sessions, token: str) -> bool:
    return set((await sessions.statuses(token)).values()) == {200}


async def publish_again(database_url: str, times: int) -> None:
    """Events of auth that all services hear, until the broker has them."""
    owner = await asyncpg.connect(database_url, timeout=10)
    try:
        await owner.execute(AGAIN, times)
        await eventually(
            lambda: owner.fetchval("SELECT NOT EXISTS (SELECT FROM auth.outbox WHERE sent_at IS NULL)"), 60
        )
    finally:
        await owner.close(timeout=5)


async def unhandled(database_url: str) -> int:
    """How many of auth's events quota has still to handle."""
    owner = await asyncpg.connect(database_url, timeout=10)
    try:
        left: int = await owner.fetchval(
            "SELECT (SELECT count(*) FROM auth.outbox WHERE type LIKE 'UserChanged%')"
            " - (SELECT count(*) FROM quota.inbox WHERE type LIKE 'UserChanged%')"
        )
        return left
    finally:
        await owner.close(timeout=5)
