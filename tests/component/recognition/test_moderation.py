"""What hiding and showing again does to recognitions, hi5s, allowances and counts."""

from __future__ import annotations

import pytest

from shared.contracts.recognition import Hi5Refunded, Hi5Spent, Hi5sReceivedChanged
from tests.component.recognition.world import ADMIN, ANNA, BEN, CLEO, MODERATOR, Api, World
from tests.support.api import GLOBEX


@pytest.fixture
async def thanks(api: Api) -> int:
    """Anna thanked Ben; Cleo and the admin gave hi5s."""
    given = await api.given(ANNA, BEN, await api.new_value())
    for caller in (CLEO, ADMIN):
        assert (await api.hi5(caller, given)).status == 201
    return given


async def balance(api: Api, world: World) -> int:
    """What Cleo has left, by one hi5 more."""
    values = (await api.get(ANNA, "/core_values")).data
    given = await api.given(ANNA, BEN, values[0]["id"])
    answer = await api.hi5(CLEO, given)
    return int(answer.meta["hi5_quota_balance"]) + 1


async def count(api: Api, recognition_id: int) -> int:
    return int((await api.get(MODERATOR, f"/recognitions/{recognition_id}")).data["hi5_count"])


async def test_hiding_gives_the_running_periods_hi5s_back(api: Api, world: World, thanks: int) -> None:
    assert await world.received(BEN) == 2
    await world.hides(thanks, 1)
    assert await api.feed() == []
    assert await count(api, thanks) == 0
    assert await world.received(BEN) == 0
    refunds = await world.told(Hi5Refunded)
    spent = {event.given_by: event for event in await world.told(Hi5Spent)}
    assert [refund.given_by for refund in refunds] == [CLEO.user_id, ADMIN.user_id]
    for refund in refunds:
        assert (refund.kind, refund.reason, refund.recognition_id) == ("hi5", "hidden", thanks)
        assert refund.hi5_id == spent[refund.given_by].hi5_id
        block = refund.allowance
        assert (block.id, block.seq) == (spent[refund.given_by].allowance.id, 2)
        assert (block.granted, block.spent_total, block.refunded_total) == (10, 1, 1)
    assert [(event.count, event.version) for event in await world.told(Hi5sReceivedChanged)] == [(1, 1), (2, 2), (0, 3)]
    assert await balance(api, world) == 10
    assert await world.broken() == {}


async def test_a_restored_recognition_is_back_without_the_refunded_hi5s(api: Api, world: World, thanks: int) -> None:
    await world.hides(thanks, 1)
    await world.restores(thanks, 2)
    assert await api.feed() == [thanks]
    assert await count(api, thanks) == 0
    assert (await api.get(ANNA, f"/recognitions/{thanks}/hi5")).data == []
    assert (await api.hi5(CLEO, thanks)).status == 201
    assert await count(api, thanks) == 1
    assert await world.received(BEN) == 1
    await world.hides(thanks, 3)
    assert len(await world.told(Hi5Refunded)) == 3
    assert await world.broken() == {}


async def test_hi5s_of_past_periods_stay_and_count_again_when_restored(api: Api, world: World, thanks: int) -> None:
    await world.a_day_passes()
    assert (await api.hi5(ANNA, thanks)).status == 201
    await world.hides(thanks, 1)
    assert [refund.given_by for refund in await world.told(Hi5Refunded)] == [ANNA.user_id]
    assert await world.received(BEN) == 0
    assert await count(api, thanks) == 2
    await world.restores(thanks, 2)
    assert await world.received(BEN) == 2
    assert (await api.hi5(CLEO, thanks)).status == 422
    assert (await api.hi5(ANNA, thanks)).status == 201
    assert await world.broken() == {}


async def test_the_cost_of_giving_stays_spent(api: Api, world: World) -> None:
    await world.organisation(cost=1)
    given = await api.given(CLEO, BEN, await api.new_value())
    assert (await api.hi5(ANNA, given)).status == 201
    await world.hides(given, 1)
    (refund,) = await world.told(Hi5Refunded)
    assert (refund.kind, refund.given_by) == ("hi5", ANNA.user_id)
    assert await world.broken() == {}


async def test_steps_are_applied_strictly_in_order(api: Api, world: World, thanks: int) -> None:
    assert await world.hides(thanks, 3) == "parked"
    assert await world.restores(thanks, 2) == "parked"
    assert await api.feed() == [thanks]
    await world.hides(thanks, 1)
    assert [await world.hears_again() for _ in range(3)] == [1, 1, 0]
    assert await api.feed() == []
    assert await world.value("SELECT moderation_version FROM recognitions WHERE id = $1", thanks) == 3
    assert await world.value("SELECT count(*) FROM parked") == 0
    assert await world.broken() == {}


async def test_what_was_applied_before_changes_nothing(api: Api, world: World, thanks: int) -> None:
    await world.hides(thanks, 1)
    await world.restores(thanks, 2)
    await api.hi5(CLEO, thanks)
    await world.hides(thanks, 1)
    assert await api.feed() == [thanks]
    assert await count(api, thanks) == 1


async def test_hiding_what_is_hidden_refunds_nothing_again(api: Api, world: World, thanks: int) -> None:
    await world.hides(thanks, 1)
    await world.hides(thanks, 2)
    await world.restores(thanks, 3)
    await world.restores(thanks, 4)
    assert len(await world.told(Hi5Refunded)) == 2
    assert await api.feed() == [thanks]
    assert await world.broken() == {}


async def test_a_lowered_limit_is_told_with_the_refund(api: Api, world: World, thanks: int) -> None:
    await world.policy(0)
    await world.hides(thanks, 1)
    assert [refund.allowance.granted for refund in await world.told(Hi5Refunded)] == [0, 0]
    assert await world.broken() == {}


async def test_a_refund_leaves_granted_what_is_still_spent_beyond_a_lowered_limit(api: Api, world: World) -> None:
    value_id = await api.new_value()
    ids = [await api.given(ANNA, BEN, value_id) for _ in range(3)]
    for id_ in ids:
        assert (await api.hi5(CLEO, id_)).status == 201
    await world.policy(1)
    await world.hides(ids[0], 1)
    (refund,) = await world.told(Hi5Refunded)
    assert (refund.allowance.granted, refund.allowance.spent_total, refund.allowance.refunded_total) == (2, 3, 1)
    assert await world.broken() == {}


async def test_who_left_gets_the_hi5_back_all_the_same(api: Api, world: World, thanks: int) -> None:
    await world.leaves(CLEO)
    await world.hides(thanks, 1)
    assert len(await world.told(Hi5Refunded)) == 2
    assert await world.broken() == {}


async def test_a_review_of_what_is_not_here_waits(world: World, api: Api, thanks: int) -> None:
    assert await world.hides(4711, 1) == "parked"
    assert await world.hides(thanks, 1, GLOBEX) == "handled", "a number that was given comes in no other organisation"
    assert await api.feed() == [thanks]


async def test_a_review_of_what_a_restore_has_lost_does_nothing_and_waits_for_nothing(
    api: Api, world: World, thanks: int
) -> None:
    """The rows are gone, the counter goes on: what was given next is another one, and stays as it is."""
    await world.as_administrator("SELECT nextval('recognitions_id_seq')")
    lost = int(await world.value("SELECT last_value FROM recognitions_id_seq"))
    assert await world.hides(lost, 2) == "handled"
    assert await world.restores(lost, 1) == "handled"
    another = await api.given(ANNA, BEN, (await api.get(ANNA, "/core_values")).data[0]["id"])
    assert another > lost
    assert await api.feed() == [another, thanks]
    assert await world.value("SELECT count(*) FROM parked") == 0
    assert await world.broken() == {}
