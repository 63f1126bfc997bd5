"""API keys as the tests make, rotate and use them."""

from __future__ import annotations

from typing import Any

from tests.component.auth.world import World
from tests.support.api import Reply

KEYS = "/api-keys"
DAY = 86_400
DENIED = (403, "access_denied")
UNAUTHORIZED = (401, "invalid_token")
NOT_FOUND = (404, "not_found")
DISARRANGING = "\n\r\t\x1b\x85\u2028\u202e\u2066\u200f"
"""No name of anything may hold one of these."""
SHOWN = {
    "id",
    "name",
    "prefix",
    "scopes",
    "origins",
    "user_id",
    "created_at",
    "rotated_at",
    "expires_at",
    "last_used_at",
}


async def make(world: World, who: str = "ada", **body: Any) -> Reply:
    return await world.post(who, KEYS, {"name": "Intranet", "scopes": ["view:user"], **body})


async def rotate(world: World, key_id: int, who: str = "ada", **body: Any) -> Reply:
    return await world.post(who, f"{KEYS}/{key_id}/rotate", body)


async def works(world: World, key: str) -> bool:
    reply = await world.get(key, "/users")
    assert reply.status in {200, 401}
    return reply.status == 200
