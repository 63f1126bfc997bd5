"""More than a process can do is turned away at once; nobody works longer than the client waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from shared.http.load import COMES_AGAIN, MOST_AT_ONCE
from shared.identity import Role
from tests.component.http.conftest import Start
from tests.component.http.test_conventions import ask
from tests.support.api import SIGNER, Reply

MORE = 40


@pytest.fixture
async def client(start: Start) -> AsyncIterator[aiohttp.ClientSession]:
    """As many connections as are wanted."""
    headers = {"Authorization": f"Bearer {SIGNER.token(7, Role.ORGANISATION_ADMIN)}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(await start(), headers=headers, connector=connector) as session:
        yield session


async def test_more_than_the_most_is_turned_away_at_once_and_taken_again_after(client: aiohttp.ClientSession) -> None:
    path = "/things?fail=slow"
    answers = await asyncio.gather(*(timed(client, path) for _ in range(MOST_AT_ONCE + MORE)))
    refused = [(answer, seconds) for answer, seconds in answers if answer.status != 200]
    assert len(refused) == MORE
    assert {(answer.status, answer.error["code"]) for answer, _ in refused} == {(503, "unavailable")}
    assert {int(answer.headers["Retry-After"]) for answer, _ in refused} <= set(range(1, COMES_AGAIN + 1))
    again = await asyncio.gather(*(timed(client, "/things") for _ in range(MOST_AT_ONCE)))
    assert {answer.status for answer, _ in again} == {200}


@pytest.mark.parametrize("wanted", ["0.3", "1"])
async def test_work_ends_when_the_client_waits_no_longer(client: aiohttp.ClientSession, wanted: str) -> None:
    answer, seconds = await timed(client, "/things?fail=forever", wanted)
    assert (answer.status, answer.error["code"]) == (503, "unavailable")
    assert float(wanted) <= seconds < float(wanted) + 2


async def test_a_deadline_that_is_met_changes_nothing(client: aiohttp.ClientSession) -> None:
    for wanted in ("9999", "5.125"):
        assert (await ask(client, "GET", "/things", headers={"X-Request-Timeout": wanted})).status == 200


@pytest.mark.parametrize("wanted", ["", "0", "0.0", "-1", "1e3", "5s", "nan", "12345", "1.2345", "\u0661"])
async def test_a_deadline_that_is_none_is_400(client: aiohttp.ClientSession, wanted: str) -> None:
    answer = await ask(client, "GET", "/things", headers={"X-Request-Timeout": wanted})
    assert (answer.status, answer.error["code"]) == (400, "invalid_data")
    assert "X-Request-Timeout" in answer.error["message"]


async def timed(client: aiohttp.ClientSession, path: str, wanted: str = "10") -> tuple[Reply, float]:
    began = time.monotonic()
    answer = await ask(client, "GET", path, headers={"X-Request-Timeout": wanted})
    return answer, time.monotonic() - began
