"""Keys and revocations as a process holds them in memory while it reads them anew."""

from __future__ import annotations

import asyncio

from shared.identity.records import Records
from shared.identity.verifier import Revocation
from tests.component.auth.world import World
from tests.support.waiting import eventually

_WAITING = "SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND relation = 'revocations'::regclass"


def records(world: World) -> Records:
    context = world.context
    assert context.external is not None
    return Records(context.database, context.verifier, context.external, context.maintenance)


async def accepted(world: World) -> bool:
    return (await world.get("emil", "/users/me")).status == 200


async def test_a_revocation_that_is_noted_during_a_full_read_stays(world: World) -> None:
    """The read may have begun before the revocation was written; the next one knows whether it is on record."""
    ended = Revocation(f"user:{world.id_of('emil')}", 99, lifted=False)
    async with world.owner.transaction():
        await world.owner.execute("LOCK TABLE revocations IN ACCESS EXCLUSIVE MODE")
        reading = asyncio.create_task(records(world).load())
        await asyncio.sleep(0)
        await eventually(lambda: world.owner.fetchval(_WAITING))
        world.context.verifier.note([ended])
    await reading
    assert not await accepted(world)
    await records(world).load()
    assert await accepted(world), "what is not on record any more is forgotten"
