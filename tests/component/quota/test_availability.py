"""Whether somebody may give a hi5 in a time, and why not (TM-8)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from shared.contracts.maintenance import MaintenanceWindowChanged
from tests.component.quota.world import (
    ADMIN,
    ANNA,
    BEN,
    LIMIT,
    NOON,
    STRANGER,
    SUPER_ADMIN,
    WEEK,
    Api,
    Spender,
    World,
    joined,
    organisation,
)
from tests.support.api import ACME, Caller

NOW = int(NOON.timestamp())
HOUR, DAY = 3600, 86_400
RESETS_AT = WEEK[1]


async def available(api: Api, **query: int) -> Any:
    """Of Anna, as she asks."""
    asked = "&".join(f"{name.rstrip('_')}={value}" for name, value in query.items())
    return (await api.get(ANNA, f"/availability?{asked}")).data


async def spends_all(world: World) -> None:
    anna = Spender()
    for _ in range(LIMIT):
        await world.hears(anna.hi5())


async def closes(world: World, starts_at: int, ends_at: int, number: int = 1, version: int = 1) -> None:
    window = MaintenanceWindowChanged(
        window_id=number, starts_at=starts_at, ends_at=ends_at, message="Upgrade", state="planned", version=version
    )
    assert await world.hears(window, 0) == "handled"


async def test_tm8_whoever_has_something_left_is_available_now(world: World, api: Api) -> None:
    await world.hears(Spender().hi5())
    expected = {"available": True, "reasons": [], "balance": LIMIT - 1, "resets_at": RESETS_AT}
    assert await available(api) == expected
    assert await available(api, from_=NOW - DAY, to=NOW + HOUR) == expected


async def test_tm8_nothing_is_left_until_the_period_ends(world: World, api: Api) -> None:
    await spends_all(world)
    nothing = {"available": False, "reasons": ["nothing_left"], "balance": 0, "resets_at": RESETS_AT}
    assert await available(api) == nothing
    assert await available(api, from_=NOW, to=RESETS_AT - 1) == nothing
    assert await available(api, from_=NOW, to=RESETS_AT) == nothing | {"available": True, "reasons": []}
    later = await available(api, from_=RESETS_AT, to=RESETS_AT + HOUR)
    assert later == {"available": True, "reasons": [], "balance": LIMIT, "resets_at": RESETS_AT + 7 * DAY}


async def test_tm8_a_limit_of_nothing_is_nothing_in_any_period(world: World, api: Api) -> None:
    await world.hears(organisation(2, 0))
    assert (await available(api, from_=NOW, to=NOW + 30 * DAY))["reasons"] == ["nothing_left"]


async def test_tm8_maintenance_counts_where_it_covers_all_of_the_time(world: World, api: Api) -> None:
    await closes(world, NOW - HOUR, NOW + HOUR)
    await closes(world, NOW + HOUR, NOW + 2 * HOUR, number=2)
    closed = await available(api, from_=NOW, to=NOW + 2 * HOUR - 1)
    assert closed == {"available": False, "reasons": ["maintenance"], "balance": LIMIT, "resets_at": RESETS_AT}
    assert (await available(api, from_=NOW, to=NOW + 2 * HOUR))["available"]
    await closes(world, NOW + HOUR + 1, NOW + 2 * HOUR, number=2, version=2)
    assert (await available(api, from_=NOW, to=NOW + 2 * HOUR - 1))["available"]


async def test_tm8_new_hi5s_that_maintenance_hides_do_not_help(world: World, api: Api) -> None:
    await spends_all(world)
    await closes(world, RESETS_AT - HOUR, RESETS_AT + HOUR)
    reasons = (await available(api, from_=NOW, to=RESETS_AT + HOUR - 1))["reasons"]
    assert reasons == ["nothing_left", "maintenance"]
    assert (await available(api, from_=NOW, to=RESETS_AT + HOUR))["available"]


async def test_tm8_who_has_left_is_not_available(world: World, api: Api) -> None:
    await world.hears(joined(BEN, active=False, version=2))
    reply = await api.get(ADMIN, f"/availability?user_id={BEN.user_id}")
    assert reply.data == {"available": False, "reasons": ["inactive"], "balance": LIMIT, "resets_at": RESETS_AT}


async def test_tm8_a_time_that_is_over_is_past(world: World, api: Api) -> None:
    over = await available(api, from_=NOW - DAY, to=NOW - 1)
    assert over == {"available": False, "reasons": ["past"], "balance": 0, "resets_at": None}


async def test_tm8_without_a_policy_nobody_knows(empty_world: World, api: Api) -> None:
    assert (await available(api))["reasons"] == ["policy_unknown"]


async def test_tm8_a_super_admin_is_nobodys_colleague(world: World, api: Api) -> None:
    reply = await api.get(SUPER_ADMIN, "/availability", X_Org_Id=str(ACME))
    assert reply.data["reasons"] == ["not_a_member"]
    named = await api.get(SUPER_ADMIN, f"/availability?user_id={ANNA.user_id}", X_Org_Id=str(ACME))
    assert named.data["available"]


async def test_tm8_a_fresh_member_is_one_by_their_token(world: World, api: Api) -> None:
    assert (await api.get(Caller(19), "/availability")).data["available"]


async def test_tm8_others_are_for_admins_and_of_the_own_organisation(world: World, api: Api) -> None:
    for caller in (ANNA, BEN):
        for user_id in (ADMIN.user_id, STRANGER.user_id, 999_999):
            assert (await api.get(caller, f"/availability?user_id={user_id}")).code == (403, "access_denied")
    assert (await api.get(ADMIN, f"/availability?user_id={ANNA.user_id}")).data["available"]
    foreign, unknown = [await api.get(ADMIN, f"/availability?user_id={one}") for one in (STRANGER.user_id, 999_999)]
    assert (foreign.status, foreign.raw) == (404, unknown.raw)
    assert (await api.get(None, "/availability")).status == 401


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("user_id=x", "user_id"), ("user_id=0", "user_id"), ("from=soon", "from"), ("to=1.5", "to"), ("to=-1", "to"),
        (f"from={NOW}&to={NOW - 1}", "to"), (f"to={NOW - 1}", "to"), (f"from={2**53 - 1}", "from"),
        (f"to={NOW + 6 * 366 * DAY}", "to"), (f"from={NOW}&from={NOW}", "from"),
    ],
)  # fmt: skip
async def test_tm8_what_cannot_be_is_refused_by_name(world: World, api: Api, query: str, field: str) -> None:
    reply = await api.get(ANNA, f"/availability?{query}")
    assert reply.status == 400
    assert field in reply.error["fields"]


async def test_tm8_the_answer_moves_with_the_clock(world: World, api: Api) -> None:
    await spends_all(world)
    first = await api.get(ANNA, "/availability")
    assert (await api.get(ANNA, "/availability", If_None_Match=first.headers["ETag"])).status == 304
    world.clock.now = NOON + timedelta(days=7)
    assert (await available(api))["available"]
