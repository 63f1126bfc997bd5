"""Any order, any number of duplicates, a rebuild: the shipped handlers end in the same state."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.quota.proof import INVARIANTS
from shared.contracts import Event
from shared.contracts import auth as people
from shared.proof import prove
from shared.rebuild import rebuild
from tests.component.quota.world import ADMIN, ANNA, BEN, NOON, WEEK, Api, Spender, World, joined, organisation
from tests.support.api import ACME

LAST_WEEK = (WEEK[0] - 604_800, WEEK[0])

STATE = """
SELECT encode(sha256(convert_to(concat_ws('|',
    (SELECT string_agg(concat_ws(':', allowance_id, user_id, period, seq, granted, spent_total, refunded_total,
        policy_version, epoch), ',' ORDER BY allowance_id, user_id) FROM allowance_books WHERE NOT outlived),
    (SELECT string_agg(concat_ws(':', allowance_id, user_id, account, balance), ','
        ORDER BY allowance_id, user_id, account) FROM accounts WHERE balance <> 0),
    (SELECT string_agg(concat_ws(':', version, hi5_limit, calendars), ',' ORDER BY version DESC) FROM (
        SELECT * FROM policies ORDER BY version DESC LIMIT 1) AS newest),
    (SELECT string_agg(concat_ws(':', user_id, net, adjusted, period), ',' ORDER BY user_id) FROM balances),
    (SELECT string_agg(concat_ws(':', user_id, active, version), ',' ORDER BY user_id) FROM members)
), 'UTF8')), 'hex')
"""

BOOKED = """
SELECT string_agg(concat_ws(':', allowance_id, seq, kind, amount, balance_after, event_id, recognition_id, at), ','
    ORDER BY allowance_id, seq, kind, event_id) FROM entries
"""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as a publisher keeps it."""

    event: Event
    id: UUID
    at: datetime


def history(seed: int, *, with_restore: bool) -> list[Told]:
    """A plausible past: changes of policy, two people spending in two periods, refunds, and perhaps a restored copy."""
    dice = random.Random(seed)
    events = list(_events(dice, with_restore))
    return [
        Told(event, UUID(int=dice.getrandbits(128), version=4), NOON + timedelta(seconds=n))
        for n, event in enumerate(events)
    ]


def _events(dice: random.Random, with_restore: bool) -> Iterator[Event]:
    ids = count(501)
    spenders = [Spender(who.user_id, next(ids), when) for when in (LAST_WEEK, WEEK) for who in (ANNA, BEN)]
    version = 1
    yield organisation(version)
    yield joined(ANNA)
    yield joined(BEN)
    for _ in range(dice.randint(10, 30)):
        if dice.random() < 0.1:
            version += 1
            limit = dice.randint(1, 12)
            yield organisation(
                version, limit, dice.choice(["DAILY", "WEEKLY", "MONTHLY"]), dice.choice(["UTC", "Asia/Tokyo"])
            )
            for spender in spenders:
                spender.target, spender.policy_version = limit, version
        yield from _movement(dice, dice.choice(spenders))
    if with_restore:
        yield from _after_restore(dice, spenders, ids)
    yield joined(ANNA, active=False, version=2)


def _movement(dice: random.Random, spender: Spender) -> Iterator[Event]:
    if spender.net and dice.random() < 0.3:
        yield spender.refund()
    elif spender.net < spender.target:
        yield spender.hi5() if dice.random() < 0.7 else spender.recognition()


def _after_restore(dice: random.Random, spenders: list[Spender], ids: Iterator[int]) -> Iterator[Event]:
    """Recognition came back from an older copy: some allowances are behind, one is lost and made anew."""
    lost = dice.choice(spenders)
    for spender in spenders:
        before = spender.copy()
        yield from _movement(dice, spender)
        if spender.seq == before.seq:
            continue
        spender.epoch, spender.seq, spender.spent, spender.refunded = 2, before.seq, before.spent, before.refunded
        if spender is lost:
            spender.id, spender.seq, spender.spent, spender.refunded = next(ids), 0, 0, 0
            spender.target = max(spender.target, 1)
        if spender.net < spender.target:
            yield spender.hi5()


async def hear_all(world: World, told: list[Told], org_id: int) -> None:
    for one in told:
        event = one.event
        if isinstance(event, people.OrganisationChanged):
            event = replace(event, organisation_id=org_id)
        await world.hears(event, org_id, one.id, one.at)
    await hear_parked(world)


async def hear_parked(world: World) -> None:
    """Time passes: what waited for something that never comes is looked at again."""
    for _ in range(3):
        async with world.database.connection() as connection:
            await connection.execute("UPDATE parked SET next_try_at = '-infinity'")
        await world.hears_released()


def shuffled(told: list[Told], seed: int) -> list[Told]:
    dice = random.Random(seed)
    copies = [one for one in told for _ in range(dice.choice([1, 1, 2, 3]))]
    dice.shuffle(copies)
    return copies


async def prepared(world: World) -> None:
    """Each example has an organisation of its own; event ids are its own, so nothing of an earlier one is left."""
    async with world.database.connection() as connection:
        await connection.execute("DELETE FROM inbox; DELETE FROM dead; DELETE FROM parked")


async def assert_sound(world: World, org_id: int) -> None:
    async with world.database.transaction(org_id) as tx:
        await tx.execute("UPDATE outbox SET sent_at = now() WHERE sent_at IS NULL")
        found = await prove(tx, [invariant for invariant in INVARIANTS if invariant.id != "I9"])
    assert all(one["holds"] for one in found), found


orgs = count(1000)
by_database = settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], derandomize=True
)


@by_database
@given(seed=st.integers(0, 10**6), order=st.integers(0, 10**6))
async def test_any_order_with_duplicates_ends_in_the_same_books(empty_world: World, seed: int, order: int) -> None:
    told = history(seed, with_restore=False)
    states, bookings = set(), set()
    for events in (told, shuffled(told, order)):
        org_id = next(orgs)
        await prepared(empty_world)
        await hear_all(empty_world, events, org_id)
        states.add(await empty_world.value(STATE, org_id=org_id))
        bookings.add(await empty_world.value(BOOKED, org_id=org_id))
        await assert_sound(empty_world, org_id)
    assert len(states) == 1
    assert len(bookings) == 1


@by_database
@given(seed=st.integers(0, 10**6), order=st.integers(0, 10**6))
async def test_restored_publisher_ends_in_the_same_totals(empty_world: World, seed: int, order: int) -> None:
    """The entries may differ: what the new epoch says is booked by whichever of its events comes first."""
    told = history(seed, with_restore=True)
    states = set()
    for events in (told, shuffled(told, order)):
        org_id = next(orgs)
        await prepared(empty_world)
        await hear_all(empty_world, events, org_id)
        states.add(await empty_world.value(STATE, org_id=org_id))
        await assert_sound(empty_world, org_id)
    assert len(states) == 1


async def test_restored_allowance_is_corrected_and_counts_on(world: World, api: Api) -> None:
    anna = Spender()
    for _ in range(2):
        await world.hears(anna.hi5())
    older = anna.copy()
    for _ in range(3):
        await world.hears(anna.hi5())
    older.epoch = 2
    await world.hears(older.hi5())
    kinds = [(line["kind"], line["amount"]) for line in await api.lines(ANNA, ANNA.user_id)]
    assert sorted(kinds)[:1] == [("correction", 3)]
    assert (await api.quota(ANNA))["spent"] == 3
    await world.hears(anna.hi5())
    await world.hears(older.hi5())
    assert (await api.quota(ANNA))["spent"] == 4
    await assert_sound(world, ACME)


async def test_allowance_id_that_comes_again_for_somebody_else_is_another_book(world: World, api: Api) -> None:
    await world.hears(Spender(ANNA.user_id).hi5())
    await world.hears(Spender(BEN.user_id, epoch=2).hi5())
    assert (await api.quota(ANNA))["spent"] == 1
    assert (await api.quota(BEN))["spent"] == 1


async def test_lost_allowance_gives_way_to_the_one_made_anew(world: World, api: Api) -> None:
    lost = Spender()
    await world.hears(lost.hi5())
    await world.hears(lost.hi5())
    await world.hears(Spender(id=600, epoch=2).hi5())
    await world.hears(lost.hi5())
    assert (await api.quota(ANNA))["spent"] == 1
    assert await world.value("SELECT outlived FROM allowance_books WHERE allowance_id = 501")
    await assert_sound(world, ACME)


@pytest.mark.parametrize("order", [None, 7])
async def test_rebuild_ends_in_the_same_state(empty_world: World, api: Api, order: int | None) -> None:
    told = history(42, with_restore=False)
    await hear_all(empty_world, told, ACME)
    assert (await api.adjust(ADMIN, BEN.user_id, 2)).status == 201
    before = await whole_state(empty_world)
    await rebuild(empty_world.database)
    assert await empty_world.value("SELECT count(*) FROM entries") == 0
    assert await empty_world.value("SELECT count(*) FROM members") == 0
    await hear_all(empty_world, told if order is None else shuffled(told, order), ACME)
    assert await whole_state(empty_world) == before
    await assert_sound(empty_world, ACME)


async def whole_state(world: World) -> list[str]:
    policies = "SELECT string_agg(concat_ws(':', version, hi5_limit, calendars), ',' ORDER BY version) FROM policies"
    return [await world.value(query) for query in (STATE, BOOKED, policies)]
