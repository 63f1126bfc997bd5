"""P2-1: whatever goes wrong below /insights, the answer has a status and a sentence."""

from __future__ import annotations

import asyncpg
import pytest

from tests.component.recognition.world import ANNA, Api, World

PATHS = (
    "leaderboard?metric=hi5_received&period=all",
    "search?q=soup",
    "summary?period=all",
    "campaigns/1/thermometer",
)


@pytest.mark.parametrize("path", PATHS)
async def test_p2_1_a_method_that_is_none_is_told_as_an_insight(api: Api, path: str) -> None:
    reply = await api.ask(ANNA, "POST", f"/insights/{path}", {})
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")
    assert reply.body == {"status": False, "error": "This path does not take this method; see the Allow header"}
    nobody = await api.ask(None, "POST", f"/insights/{path}", {})
    assert (nobody.status, nobody.body) == (401, {"status": False, "error": "unauthorized user"})


@pytest.mark.parametrize("path", PATHS)
async def test_p2_1_what_takes_too_long_is_told_as_an_insight(api: Api, world: World, path: str) -> None:
    owner = await asyncpg.connect(world.admin_url)
    async with owner.transaction():
        await owner.execute("LOCK recognition.recognitions, recognition.organisations, recognition.campaigns")
        reply = await api.get(ANNA, f"/insights/{path}", X_Request_Timeout="0.1")
    await owner.close()
    assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
    assert reply.body["status"] is False
    assert reply.body["error"].startswith("Temporarily unavailable")


@pytest.mark.parametrize("path", PATHS)
async def test_p2_1_a_defect_is_told_as_an_insight(api: Api, world: World, path: str) -> None:
    owner = await asyncpg.connect(world.admin_url)
    for table in ("recognitions", "organisations", "campaigns"):
        await owner.execute(f"ALTER TABLE recognition.{table} RENAME TO {table}_that_is_lost")
    await owner.close()
    reply = await api.get(ANNA, f"/insights/{path}")
    assert (reply.status, reply.body) == (500, {"status": False, "error": "internal server error"})
