"""Something happens while a request waits for a lock: the test holds it, changes what is to change, and lets go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from tests.component.auth.world import World
from tests.support.waiting import eventually

Answer = TypeVar("Answer")
_WAITS = """
SELECT count(*) > 0 FROM pg_locks AS waiting JOIN pg_locks AS held USING (transactionid)
WHERE NOT waiting.granted AND held.granted AND held.pid = pg_backend_pid()
"""


async def overtaken(world: World, request: Awaitable[Answer], lock: str, of: int, change: str, *values: Any) -> Answer:
    """The answer to a request that waited for the `lock` on row `of` until the `change` of it or another was there."""
    async with world.owner.transaction():
        await world.owner.execute(lock, of)
        answer = asyncio.ensure_future(request)
        await eventually(lambda: world.owner.fetchval(_WAITS))
        await world.owner.execute(change, *values)
    return await answer


ORGANISATION = "SELECT FROM organisations WHERE id = $1 FOR NO KEY UPDATE"
GRANT = "SELECT FROM oauth_grants WHERE user_id = $1 FOR UPDATE"
PERSON = "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE"
DEMOTE = "UPDATE users SET role_id = 3, generation = generation + 1, version = version + 1 WHERE id = $1"
"""What a change of role writes; the token itself is not refused yet, as if the request had come a moment before."""
