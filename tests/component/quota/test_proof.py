"""The invariants hold after a story, and each notices when it is broken."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from tests.component.quota.world import ADMIN, ANNA, BEN, FOREIGN_ADMIN, SUPER_ADMIN, Api, Spender, World, organisation


async def story(world: World, api: Api) -> None:
    anna, ben = Spender(), Spender(BEN.user_id, 502)
    for event in (anna.hi5(), ben.recognition(), anna.hi5(), anna.refund(), ben.hi5()):
        await world.hears(event)
    anna.knows((await api.adjust(ADMIN, ANNA.user_id, 4)).data)
    await world.hears(anna.hi5())
    await world.hears(organisation(2, 5))
    await world.rows("UPDATE outbox SET sent_at = now()")


async def proof(api: Api) -> dict[str, Any]:
    answer = await api.get(ADMIN, "/quota/proof")
    assert answer.status == 200
    return {found["id"]: found for found in answer.data}


async def test_everything_holds_after_a_story(world: World, api: Api) -> None:
    await story(world, api)
    found = await proof(api)
    assert list(found) == ["I5", "I7", "I8", "I9", "R4"]
    assert all(one["holds"] for one in found.values()), found
    assert set(found["I5"]) == {"id", "name", "holds", "query", "result"}
    assert found["I5"]["result"] == {"negative": 0, "differing": 0}
    assert found["I5"]["query"].startswith("SELECT count(*)")


async def test_empty_organisation_holds(world: World, api: Api) -> None:
    await world.rows("UPDATE outbox SET sent_at = now()", org_id=2)
    answer = await api.get(FOREIGN_ADMIN, "/quota/proof")
    assert all(found["holds"] for found in answer.data)


BROKEN = [
    ("I5", "UPDATE accounts SET balance = balance + 1 WHERE account = 'spent'"),
    ("I7", "UPDATE accounts SET balance = balance + 1 WHERE account = 'issued'"),
    (
        "I7",
        "ALTER TABLE postings DISABLE TRIGGER ALL; UPDATE postings SET amount = amount + 1 WHERE account = 'issued'",
    ),
    ("I8", "UPDATE allowance_books SET seq = seq + 1"),
    ("I8", "UPDATE outbox SET sent_at = NULL"),
    ("I8", "INSERT INTO dead (body, reason) VALUES ('x', 'y')"),
    ("I9", "UPDATE organisations SET hi5_limit = 99"),
    ("I9", "UPDATE organisations SET timezone = 'Asia/Tokyo'"),
    ("R4", "UPDATE allowance_books SET granted = granted + 1"),
    ("R4", "UPDATE allowance_books SET spent_total = spent_total + 1, refunded_total = refunded_total + 1"),
]


@pytest.mark.parametrize(("broken", "statement"), BROKEN)
async def test_each_invariant_notices_its_violation(
    world: World, api: Api, owner: asyncpg.Connection[asyncpg.Record], broken: str, statement: str
) -> None:
    await story(world, api)
    await owner.execute(statement)
    assert not (await proof(api))[broken]["holds"]


async def test_running_allowance_that_differs_from_the_policy_is_noticed(
    world: World, api: Api, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    await story(world, api)
    await owner.execute(
        "UPDATE allowance_books SET policy_version = 2,"
        " period = tstzrange(now() - interval '1 hour', now() + interval '1 hour')"
    )
    assert not (await proof(api))["I9"]["holds"]


async def test_proof_is_for_admins(world: World, api: Api) -> None:
    assert (await api.get(ANNA, "/quota/proof")).status == 403
    assert (await api.get(BEN, "/quota/proof")).status == 403
    assert (await api.get(SUPER_ADMIN, "/quota/proof")).status == 400
    assert (await api.get(SUPER_ADMIN, "/quota/proof?org_id=1")).status == 200
