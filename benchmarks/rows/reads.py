"""Reads, measured against what their SQL alone, or one round trip to the database, takes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial

import aiohttp
import asyncpg

from benchmarks.comparing import Contender, compare
from benchmarks.filling import LARGE, SMALL, Organisation
from benchmarks.measuring import CannotMeasure, wrk
from benchmarks.place import Place
from benchmarks.table import Line, limit_line, ratio_line
from shared.http import encode_cursor

FEED = "/recognitions?limit=20"


def ours(place: Place, service: str, path: str, headers: Mapping[str, str]) -> Contender:
    """A service of the installation, asked directly."""
    url = place.system.service_url(service) + path
    return Contender(service, lambda seconds: wrk(url, seconds, headers), [place.system.pids[service]])


async def answer(place: Place, service: str, path: str, headers: Mapping[str, str], status: int = 200) -> bytes:
    """The bytes that a service answers with."""
    url = place.system.service_url(service) + path
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as got:
        body = await got.read()
        if got.status != status:
            raise CannotMeasure(f"GET {path}: {got.status} {body[:300]!r}")
        return body


async def bare(place: Place, stack: AsyncExitStack, body: bytes, path: str) -> Contender:
    """A bare peer in a process of its own."""
    program = await stack.enter_async_context(place.peer("bare", place.bytes_file(body)))
    return Contender(path, partial(wrk, program.url + path), [program.pid])


async def feed(place: Place) -> list[Line]:
    headers = place.headers()
    body = await answer(place, "recognition", FEED, headers)
    async with AsyncExitStack() as stack:
        others = await stack.enter_async_context(
            place.peer("fastapi_app", DATABASE_URL=place.admin_url, PUBLIC_KEY=place.signer.x)
        )
        contenders = [
            ours(place, "recognition", FEED, headers),
            await bare(place, stack, body, "/recognitions"),
            await bare(place, stack, body, "/floor"),
            Contender("fastapi", partial(wrk, others.url + FEED, headers=headers), [others.pid]),
            await bare(place, stack, body, "/static"),
        ]
        mine, read, floor, fastapi, static = await compare(contenders, place.rounds, place.postgres)
    what = "GET /recognitions?limit=20"
    return [
        ratio_line(what, mine, "bare read", read, 0.80),
        ratio_line(what, mine, "floor", floor, 0.50),
        ratio_line(what, mine, "FastAPI + SQLAlchemy", fastapi, 6),
        ratio_line(what, mine, "static", static, None),
        limit_line("its p99 at 32 connections", mine.p99 / mine.p50, 2.5, "", against="its own p50"),
    ]


async def core_values(place: Place) -> list[Line]:
    return [await _against_floor(place, "recognition", "/core_values", 0.65)]


async def me(place: Place) -> list[Line]:
    return [await _against_floor(place, "auth", "/users/me", 0.65)]


async def quota(place: Place) -> list[Line]:
    return [await _against_floor(place, "quota", "/quota/me", 0.65)]


async def _against_floor(place: Place, service: str, path: str, goal: float) -> Line:
    headers = place.headers()
    async with AsyncExitStack() as stack:
        body = await answer(place, service, path, headers)
        contenders = [ours(place, service, path, headers), await bare(place, stack, body, "/floor")]
        mine, floor = await compare(contenders, place.rounds, place.postgres)
    return ratio_line(f"GET {path}", mine, "floor", floor, goal)


async def unchanged(place: Place) -> list[Line]:
    path = f"/recognitions/{SMALL.first_recognition}"
    url = place.system.service_url("recognition") + path
    async with aiohttp.ClientSession() as session, session.get(url, headers=place.headers()) as got:
        headers = {**place.headers(), "If-None-Match": got.headers["ETag"]}
    await answer(place, "recognition", path, headers, 304)
    async with AsyncExitStack() as stack:
        contenders = [ours(place, "recognition", path, headers), await bare(place, stack, b"", "/floor")]
        mine, floor = await compare(contenders, place.rounds, place.postgres)
    return [ratio_line("GET /recognitions/:id, unchanged (304)", mine, "floor", floor, 0.80)]


async def scale(place: Place) -> list[Line]:
    deep = f"{FEED}&cursor={await cursor_of_page(place, LARGE, 40_000)}"
    contenders = [
        ours(place, "recognition", FEED, place.headers(SMALL)),
        ours(place, "recognition", FEED, place.headers(LARGE)),
        ours(place, "recognition", deep, place.headers(LARGE)),
    ]
    small, first, later = await compare(contenders, place.rounds, place.postgres)
    return [
        ratio_line("feed of 1,000,000, page 1", first, "feed of 50,000", small, 0.90),
        ratio_line("feed of 1,000,000, page 40,000 by cursor", later, "feed of 50,000", small, 0.90),
    ]


async def cursor_of_page(place: Place, organisation: Organisation, page: int) -> str:
    """What the page before it gave as `next_cursor`."""
    admin = await asyncpg.connect(place.admin_url)
    try:
        row = await admin.fetchrow(
            "SELECT (extract(epoch FROM given_at) * 1000000)::bigint, id FROM recognition.recognitions"
            " WHERE org_id = $1 ORDER BY given_at DESC, id DESC OFFSET $2 LIMIT 1",
            organisation.id,
            (page - 1) * 20 - 1,
        )
    finally:
        await admin.close()
    assert row is not None
    return encode_cursor(row[0], row[1])
