"""What tests of identity providers do: set one up, ask with its tokens until it is known whose they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.component.auth.world import World
from tests.support.api import Reply
from tests.support.identity_provider import AUDIENCE, IdentityProvider
from tests.support.waiting import eventually

COMING = (503, "unavailable")
REFUSED = (401, "invalid_token")
A_PAUSE = timedelta(seconds=11)
"""After it a provider is asked again."""


def path(world: World, *rest: object, org_id: int | None = None) -> str:
    return "/".join([f"/organisations/{org_id or world.acme}/identity-providers", *map(str, rest)])


async def add(world: World, idp: IdentityProvider, who: str = "ada", **changes: Any) -> Any:
    body = {"issuer": idp.address, "audience": AUDIENCE, **changes}
    reply = await world.post(who, path(world, org_id=changes.pop("org_id", None)), body)
    assert reply.status == 201, reply.body
    return reply.data


async def ready(world: World, idp: IdentityProvider, **changes: Any) -> Any:
    """A provider whose keys are known."""
    added = await add(world, idp, **changes)
    assert added["state"] == "ready"
    return added


async def answered(world: World, token: str, path: str = "/users/me") -> Reply:
    """The first answer that is no "come again"."""

    async def ask() -> Reply:
        reply = await world.get(token, path)
        assert reply.status != 503 or reply.headers["Retry-After"] != "1"
        return reply

    return await eventually(ask, within=8)


async def has_status(world: World, token: str, status: int) -> bool:
    return (await world.get(token, "/users/me")).status == status


async def is_failing(world: World, provider_id: int) -> bool:
    found = (await world.get("ada", path(world, provider_id))).data
    return (found["state"], found["key_ids"]) == ("failing", ["first"])


async def state_is(world: World, provider_id: int, state: str) -> bool:
    return bool((await world.get("ada", path(world, provider_id))).data["state"] == state)
