"""aiohttp, uvloop and asyncpg without anything else: no logs, tokens, validation, errors or middleware.

`python -m benchmarks.peers.bare PORT FILE` with DATABASE_URL, SCHEMA and ORGANISATION; FILE holds the bytes that
/static and /floor answer with.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import uvloop
from aiohttp import web

from benchmarks.peers import statements

JSON = "application/json; charset=utf-8"
POOL_SIZE = 8
ORGANISATION = int(os.environ.get("ORGANISATION", "0"))


class Peer:
    """The pool is handed out first come, first served, and connections go back without a reset query."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], body: bytes) -> None:
        self._pool = pool
        self._places = asyncio.Semaphore(POOL_SIZE)
        self._body = body

    async def static(self, _: web.Request) -> web.Response:
        return web.Response(body=self._body, headers={"Content-Type": JSON})

    async def floor(self, _: web.Request) -> web.Response:
        async with self._places, self._pool.acquire() as connection:
            await connection.fetchval("SELECT 1")
        return web.Response(body=self._body, headers={"Content-Type": JSON})

    async def feed(self, _: web.Request) -> web.Response:
        async with self._places, self._pool.acquire() as connection:
            row = await connection.fetchrow(statements.FEED, ORGANISATION, None, None, None, False, None, None, 0, 20)
        assert row is not None
        return web.Response(body=b'{"data":' + row[0].encode() + b"}", headers={"Content-Type": JSON})

    async def hi5(self, request: web.Request) -> web.Response:
        body = await request.read()
        user, key = request.headers["X-User"], request.headers["Idempotency-Key"]
        async with self._places, self._pool.acquire() as connection:
            row = await connection.fetchrow(
                statements.GIVE_HI5, ORGANISATION, "bare", int(user), 3, int(request.match_info["id"]),
                orjson.loads(body)["comment"], user, "bare", key, hashlib.sha256(body).digest(),
            )  # fmt: skip
        assert row is not None
        return web.Response(status=row[0], body=row[1], headers={"Content-Type": JSON})

    async def recognition(self, request: web.Request) -> web.Response:
        ask, giver = orjson.loads(await request.read()), int(request.headers["X-User"])
        async with self._places, self._pool.acquire() as connection:
            await connection.execute(
                f"BEGIN; SET LOCAL app.org_id = '{ORGANISATION}'; SET LOCAL app.actor_id = '{giver}'"
            )
            await connection.execute(statements.ENSURE_MEMBER, giver, 3)
            await connection.fetchrow(statements.SURROUNDINGS, giver, ask["given_for"], ask["core_value_id"])
            given = await connection.fetchrow(
                statements.ADD_RECOGNITION, giver, ask["given_for"], ask["core_value_id"], ask["text"]
            )
            assert given is not None
            answer: dict[str, Any] = {**ask, "id": given[0], "given_by": giver, "given_at": int(given[1].timestamp())}
            event = orjson.dumps({**answer, "cost": 0, "imported": False, "allowance": None, "version": 1}).decode()
            subject = f"recognition/{given[0]}"
            await connection.fetch(statements.APPEND, ["RecognitionGiven.v1"], [subject], [event])
            await connection.execute("COMMIT")
        return web.Response(status=201, body=orjson.dumps({"data": answer}), headers={"Content-Type": JSON})


async def _keep_session(_: Any) -> None:
    """Nothing is left in a session."""


async def serve(port: int, body: bytes) -> None:
    pool = await asyncpg.create_pool(
        os.environ["DATABASE_URL"], min_size=POOL_SIZE, max_size=POOL_SIZE, reset=_keep_session,
        server_settings={"search_path": os.environ["SCHEMA"], "jit": "off", "timezone": "UTC"},
    )  # fmt: skip
    peer, app = Peer(pool, body), web.Application()
    app.router.add_get("/static", peer.static)
    app.router.add_get("/floor", peer.floor)
    app.router.add_get("/recognitions", peer.feed)
    app.router.add_post("/recognitions", peer.recognition)
    app.router.add_post("/recognitions/{id}/hi5", peer.hi5)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()))
