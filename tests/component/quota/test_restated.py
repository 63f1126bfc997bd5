"""A recognition that was restored from an older copy says what its allowances are now."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.quota.proof import INVARIANTS
from shared.contracts.recognition import Allowance, AllowancesRestated
from shared.proof import prove
from tests.component.quota.world import ADMIN, ANNA, Api, Spender, World
from tests.support.api import ACME

NOW = 1_784_100_000
KINDS = ["correction", "grant", "spend", "spend", "spend", "spend"]


def restated(*allowances: Allowance, lost: tuple[int, ...] = ()) -> AllowancesRestated:
    return AllowancesRestated(user_id=ANNA.user_id, restated_at=NOW, epoch=2, allowances=allowances, lost=lost)


@pytest.fixture
async def copied(world: World) -> tuple[Spender, Allowance]:
    """Three hi5s, and the allowance as a copy has it that was made after the second."""
    await world.knows_everybody()
    spender = Spender(ANNA.user_id)
    await world.hears(spender.hi5())
    second = spender.hi5()
    await world.hears(second)
    await world.hears(spender.hi5())
    return spender, replace(second.allowance, epoch=2)


async def assert_sound(world: World) -> None:
    async with world.database.transaction(ACME) as tx:
        await tx.execute("UPDATE outbox SET sent_at = now() WHERE sent_at IS NULL")
        found = await prove(tx, [invariant for invariant in INVARIANTS if invariant.id != "I9"])
    assert all(one["holds"] for one in found), found


async def test_the_books_are_corrected_and_count_on_from_its_seq(
    api: Api, world: World, copied: tuple[Spender, Allowance]
) -> None:
    spender, copy = copied
    assert await world.hears(restated(copy)) == "handled"
    assert (await api.quota(ANNA))["spent"] == 2
    assert (await api.lines(ADMIN, ANNA.user_id))[0]["kind"] == "correction"
    spender.epoch, spender.seq, spender.spent = 2, copy.seq, copy.spent_total
    await world.hears(spender.hi5())
    assert (await api.quota(ANNA))["spent"] == 3
    assert sorted(line["kind"] for line in await api.lines(ADMIN, ANNA.user_id)) == KINDS
    await assert_sound(world)


async def test_a_spend_that_came_first_stands(api: Api, world: World, copied: tuple[Spender, Allowance]) -> None:
    spender, copy = copied
    spender.epoch, spender.seq, spender.spent = 2, copy.seq, copy.spent_total
    await world.hears(spender.hi5())
    await world.hears(restated(copy))
    assert (await api.quota(ANNA))["spent"] == 3
    await assert_sound(world)


async def test_an_allowance_that_the_copy_does_not_have_is_emptied(
    api: Api, world: World, copied: tuple[Spender, Allowance]
) -> None:
    _, copy = copied
    await world.hears(restated(lost=(copy.id,)))
    assert (await api.quota(ANNA))["spent"] == 0
    assert (await api.lines(ADMIN, ANNA.user_id))[0]["kind"] == "correction"
    await assert_sound(world)
