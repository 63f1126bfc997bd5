"""How long one request takes that asks 1,000,000 recognitions for something, with nobody else asking."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import aiohttp
import asyncpg

from benchmarks.filling import LARGE
from benchmarks.measuring import CannotMeasure
from benchmarks.place import Place
from benchmarks.rows.reads import cursor_of_page
from benchmarks.table import Line, limit_line

MOST_MS = 50.0
TIMES, TIMES_QUICK = 40, 3
CAMPAIGN = """
INSERT INTO recognition.campaigns (org_id, name, name_key, starts_at, ends_at, goal_metric, goal_target, core_value_ids)
VALUES ($1, 'Bench', 'bench', now() - interval '200 days', now(), 'distinct_receivers', 1000, ARRAY[$2]::bigint[])
RETURNING id
"""


@dataclass(frozen=True, slots=True)
class Question:
    """One request: a query when it has a body."""

    name: str
    path: str
    body: Mapping[str, Any] | None = None


async def latency(place: Place) -> list[Line]:
    headers = place.headers(LARGE)
    times = TIMES if place.rounds.count > 1 else TIMES_QUICK
    async with aiohttp.ClientSession(place.system.service_url("recognition"), headers=headers) as session:
        return [await _line(session, question, times) async for question in _questions(place)]


async def _line(session: aiohttp.ClientSession, question: Question, times: int) -> Line:
    taken = [await _milliseconds(session, question) for _ in range(times)]
    return limit_line(f"{question.name}, of 1,000,000", median(taken), MOST_MS, "ms", against="a median of")


async def _milliseconds(session: aiohttp.ClientSession, question: Question) -> float:
    method = "GET" if question.body is None else "POST"
    started = time.perf_counter()
    async with session.request(method, question.path, json=question.body) as answer:
        body = await answer.read()
        taken = (time.perf_counter() - started) * 1000
    if answer.status != 200:
        raise CannotMeasure(f"{method} {question.path}: {answer.status} {body[:300]!r}")
    if not json.loads(body)["data"]:
        raise CannotMeasure(f"{method} {question.path} finds nothing, so it measures nothing")
    return taken


async def _questions(place: Place) -> AsyncIterator[Question]:
    first, later = LARGE.first_person + 600, int(time.time()) - 40 * 86_400
    yield Question("page 1", "/recognitions?limit=20")
    yield Question(
        "page 40,000 by cursor", f"/recognitions?limit=20&cursor={await cursor_of_page(place, LARGE, 40_000)}"
    )
    filters: Mapping[str, Mapping[str, Any]] = {
        "one receiver": {"given_for": LARGE.receiver},
        "one giver": {"given_by": first},
        "one core value": {"core_value_id": LARGE.first_value},
        "before a moment": {"given_at": {"lt": later}},
        "rare words": {"text": {"contains": "number 471100"}},
    }
    for name, wanted in filters.items():
        yield Question(f"query: {name}", "/recognitions/query", {"filter": wanted})
    yield Question("query: oldest first", "/recognitions/query", {"sort": ["given_at"]})
    for metric in ("recognitions_received", "recognitions_given", "distinct_givers"):
        yield Question(f"leaderboard: {metric}, ever", f"/insights/leaderboard?metric={metric}&period=all")
    yield Question("leaderboard: 40 days", f"/insights/leaderboard?metric=recognitions_received&from={later}")
    times = {
        "the running year": "period=year",
        "40 days": f"from={later}",
        "200 days": f"from={later - 160 * 86_400}",
        "40 days that are over": f"from={later - 40 * 86_400}&to={later}",
        "90 days that are over": f"from={later - 90 * 86_400}&to={later}",
    }
    for name, within in times.items():
        yield Question(
            f"leaderboard: distinct_givers, {name}", f"/insights/leaderboard?metric=distinct_givers&{within}"
        )
    yield Question("summary of a year", "/insights/summary?period=year")
    yield Question("search: rare words", "/insights/search?q=number+471100")
    yield Question("search: common words", "/insights/search?q=customer")
    yield Question("thermometer", f"/insights/campaigns/{await _campaign(place)}/thermometer")


async def _campaign(place: Place) -> int:
    admin = await asyncpg.connect(place.admin_url)
    try:
        made: int = await admin.fetchval(CAMPAIGN, LARGE.id, LARGE.first_value)
    finally:
        await admin.close()
    return made
