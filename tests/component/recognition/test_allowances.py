"""The right to spend: when it opens and ends, and what policies, adjustments and departures do to it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared import periods
from shared.contracts import quota
from shared.contracts.auth import Frequency
from shared.contracts.recognition import Hi5Spent
from tests.component.recognition.world import ANNA, BEN, CLEO, STRANGER, Api, World, quiet_calendar

ROW = "SELECT * FROM allowances WHERE user_id = $1 ORDER BY starts_at"
EARLIER = """
INSERT INTO allowances (org_id, user_id, starts_at, ends_at, granted, policy_version)
VALUES (1, 13, now() - interval '{begin}', now() - interval '{end}', 5, 1)
"""


async def thanks(api: Api, count: int = 1) -> list[int]:
    """Recognitions that anybody but Ben may give hi5s on."""
    values = (await api.get(ANNA, "/core_values")).data
    value_id = values[0]["id"] if values else await api.new_value()
    return [await api.given(ANNA, BEN, value_id) for _ in range(count)]


async def spends(api: Api, count: int = 1) -> list[int]:
    """The balances that Cleo is told."""
    return [(await api.hi5(CLEO, thanks_id)).meta["hi5_quota_balance"] for thanks_id in await thanks(api, count)]


async def is_refused(api: Api) -> bool:
    return (await api.hi5(CLEO, (await thanks(api))[0])).code == (400, "insufficient_hi5_balance")


async def allowances(world: World) -> list[Any]:
    return await world.rows(ROW, CLEO.user_id)


@pytest.mark.parametrize("frequency", ["DAILY", "WEEKLY", "MONTHLY", "QUARTERLY"])
async def test_the_first_spend_opens_the_calendars_window(api: Api, world: World, frequency: Frequency) -> None:
    calendar = quota.Calendar(since=0, frequency=frequency, timezone="Asia/Kathmandu")
    await world.policy(10, calendars=(calendar,))
    before = datetime.now(UTC)
    await spends(api)
    (row,) = await allowances(world)
    expected = [periods.window_of(frequency, "Asia/Kathmandu", moment) for moment in (before, datetime.now(UTC))]
    assert periods.Window(row["starts_at"], row["ends_at"]) in expected


async def test_the_calendar_to_come_is_not_in_force_yet(api: Api, world: World) -> None:
    soon = int((datetime.now(UTC) + timedelta(hours=1)).timestamp())
    running = quiet_calendar("MONTHLY")
    await world.policy(10, calendars=(running, quota.Calendar(since=soon, frequency="DAILY", timezone="UTC")))
    await spends(api)
    (row,) = await allowances(world)
    assert row["ends_at"] - row["starts_at"] > timedelta(days=27)


async def test_a_running_allowance_outlives_a_change_of_calendar(api: Api, world: World) -> None:
    await spends(api)
    await world.policy(10, calendars=(quiet_calendar("QUARTERLY"),))
    await spends(api)
    (row,) = await allowances(world)
    assert (row["spent_total"], row["ends_at"] - row["starts_at"]) == (2, timedelta(days=1))


async def test_a_new_allowance_starts_where_the_one_before_ended(api: Api, world: World) -> None:
    await world.as_administrator(EARLIER.format(begin="2 days", end="1 hour"))
    assert await spends(api) == [9]
    earlier, row = await allowances(world)
    assert row["starts_at"] == earlier["ends_at"]
    assert row["ends_at"] == periods.window([periods.Calendar.of(quiet_calendar())], datetime.now(UTC)).end


async def test_a_new_allowance_ends_where_a_later_one_starts(api: Api, world: World) -> None:
    await world.as_administrator(EARLIER.format(begin="-1 hour", end="-2 days"))
    assert await spends(api) == [9]
    row, later = await allowances(world)
    assert row["ends_at"] == later["starts_at"]


async def test_what_is_left_at_the_end_of_a_period_is_lost(api: Api, world: World) -> None:
    assert await spends(api, 2) == [9, 8]
    await world.a_day_passes()
    assert await spends(api) == [9]
    assert [row["spent_total"] for row in await allowances(world)] == [2, 1]
    assert await world.broken() == {}


async def test_a_raised_limit_holds_at_once(api: Api, world: World) -> None:
    await world.policy(1)
    assert await spends(api) == [0]
    assert await is_refused(api)
    await world.policy(3)
    assert await spends(api, 2) == [1, 0]
    assert await is_refused(api)


async def test_a_lowered_limit_takes_back_only_what_is_not_spent(api: Api, world: World) -> None:
    await spends(api, 3)
    await world.policy(2)
    assert await is_refused(api)
    (row,) = await allowances(world)
    assert (row["granted"], row["spent_total"]) == (10, 3)
    await world.policy(4)
    assert await spends(api) == [0]
    assert await world.broken() == {}


async def test_the_newest_policy_stands_in_whatever_order_they_come(api: Api, world: World) -> None:
    await world.policy(2, version=1002)
    await world.policy(9, version=1001)
    await world.policy(9, version=1002)
    assert await spends(api) == [1]
    (event,) = await world.told(Hi5Spent)
    assert (event.allowance.policy_version, event.allowance.granted) == (1002, 2)


async def test_adjustments_count_in_the_window_that_they_lie_in(api: Api, world: World) -> None:
    await world.policy(1)
    await world.adjusts(CLEO, 2, -1)
    assert await spends(api) == [1]
    yesterday = int((datetime.now(UTC) - timedelta(days=1, hours=1)).timestamp())
    await world.adjusts(CLEO, 7, at=yesterday)
    assert await is_refused(api)
    await world.adjusts(CLEO, 3)
    assert await spends(api) == [2]
    (row,) = await allowances(world)
    assert row["granted"] == 4


async def test_the_newest_set_of_adjustments_stands(api: Api, world: World) -> None:
    await world.policy(1)
    await world.adjusts(CLEO, 3, version=1002)
    await world.adjusts(CLEO, 9, version=1001)
    await world.adjusts(CLEO, 9, version=1002)
    assert await spends(api) == [3]
    await world.adjusts(CLEO, version=1003)
    assert await is_refused(api)


async def test_adjustments_below_nothing_leave_nothing(api: Api, world: World) -> None:
    await spends(api)
    await world.adjusts(CLEO, -1000)
    assert await is_refused(api)
    await world.a_day_passes()
    await world.adjusts(CLEO, -1000)
    assert await is_refused(api)
    assert await world.broken() == {}


async def test_adjustments_are_their_owners(api: Api, world: World) -> None:
    await world.policy(0)
    await world.adjusts(BEN, 5)
    await world.adjusts(STRANGER, 5)
    assert await is_refused(api)


async def test_who_leaves_spends_no_more_and_finds_the_rest_on_return(api: Api, world: World) -> None:
    await spends(api, 2)
    await world.leaves(CLEO)
    (thanks_id,) = await thanks(api)
    assert (await api.hi5(CLEO, thanks_id)).code == (401, "invalid_token")
    (row,) = await allowances(world)
    assert row["closed_version"] is not None
    assert await world.broken() == {}
    await world.returns(CLEO)
    assert await spends(api) == [7]
    (again,) = await allowances(world)
    assert (again["id"], again["closed_version"], again["spent_total"]) == (row["id"], None, 3)


async def test_who_leaves_opens_nothing(api: Api, world: World) -> None:
    await world.leaves(CLEO)
    (thanks_id,) = await thanks(api)
    assert (await api.hi5(CLEO, thanks_id)).code == (401, "invalid_token")
    assert await allowances(world) == []


async def test_a_closed_allowance_stays_closed_while_the_read_models_are_filled_again(api: Api, world: World) -> None:
    await spends(api)
    (thanks_id,) = await thanks(api)
    await world.leaves(CLEO)
    async with world.database.transaction() as tx:
        await tx.execute("SELECT clear_read_models()")
    await world.policy(10)
    assert (await api.hi5(CLEO, thanks_id)).code == (401, "invalid_token")


async def test_an_open_allowance_is_of_no_use_to_who_is_not_active(api: Api, world: World) -> None:
    await spends(api)
    (thanks_id,) = await thanks(api)
    await world.as_administrator(f"UPDATE members SET active = false WHERE user_id = {CLEO.user_id}")
    assert (await api.hi5(CLEO, thanks_id)).code == (401, "invalid_token")


async def test_departures_and_returns_may_arrive_in_any_order(api: Api, world: World) -> None:
    await spends(api)
    await world.returns(CLEO, version=1006)
    await world.leaves(CLEO, version=1005)
    assert await spends(api) == [8]
    await world.leaves(CLEO, version=1007)
    await world.returns(CLEO, version=1006)
    (thanks_id,) = await thanks(api)
    assert (await api.hi5(CLEO, thanks_id)).status == 401


async def test_read_models_can_be_emptied_and_filled_again(api: Api, world: World) -> None:
    assert await spends(api) == [9]
    await world.adjusts(CLEO, 1)
    async with world.database.transaction() as tx:
        await tx.execute("SELECT clear_read_models()")
    tables = ("members", "organisations", "policies", "adjustments", "adjustment_sets")
    assert [await world.value(f"SELECT count(*) FROM {table}") for table in tables] == [0] * 5
    await world.knows_everybody()
    assert await spends(api) == [8]
