"""What a person has in the running period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.component.quota.world import (
    ADMIN,
    ANNA,
    BEN,
    FOREIGN_ADMIN,
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
from tests.support.api import Caller


async def test_whoever_has_spent_nothing_has_the_limit(world: World, api: Api) -> None:
    answer = await api.get(ANNA, "/quota/me")
    assert answer.status == 200
    assert answer.data == {
        "balance": LIMIT,
        "limit": LIMIT,
        "spent": 0,
        "period_start": WEEK[0],
        "resets_at": WEEK[1],
    }


async def test_spends_and_refunds_move_the_balance(world: World, api: Api) -> None:
    anna = Spender()
    for event in (anna.hi5(), anna.recognition(), anna.hi5(), anna.refund()):
        await world.hears(event)
    assert await api.quota(ANNA) == {
        "balance": LIMIT - 2,
        "limit": LIMIT,
        "spent": 2,
        "period_start": WEEK[0],
        "resets_at": WEEK[1],
    }


async def test_free_recognition_costs_nothing(world: World, api: Api) -> None:
    assert await world.hears(Spender().recognition(cost=0)) == "handled"
    assert (await api.quota(ANNA))["spent"] == 0


async def test_next_period_begins_full(world: World, api: Api) -> None:
    await world.hears(Spender().hi5())
    world.clock.now = NOON + timedelta(days=7)
    quota = await api.quota(ANNA)
    assert (quota["balance"], quota["spent"], quota["period_start"]) == (LIMIT, 0, WEEK[1])


async def test_lowered_limit_takes_nothing_back_and_leaves_nothing(world: World, api: Api) -> None:
    anna = Spender()
    for _ in range(5):
        await world.hears(anna.hi5())
    await world.hears(organisation(2, 3))
    quota = await api.quota(ANNA)
    assert (quota["balance"], quota["limit"], quota["spent"]) == (0, 3, 5)


async def test_period_follows_the_allowance_when_it_was_cut(world: World, api: Api) -> None:
    friday = int(datetime(2026, 7, 17, tzinfo=UTC).timestamp())
    await world.hears(Spender(window=(WEEK[0], friday)).hi5())
    assert (await api.quota(ANNA))["resets_at"] == friday
    world.clock.now = datetime(2026, 7, 18, tzinfo=UTC)
    rest = await api.quota(ANNA)
    assert (rest["period_start"], rest["resets_at"], rest["balance"]) == (friday, WEEK[1], LIMIT)


async def test_admin_sees_somebody_elses(world: World, api: Api) -> None:
    await world.hears(Spender().hi5())
    assert (await api.get(ADMIN, f"/quota/users/{ANNA.user_id}")).data == await api.quota(ANNA)
    assert (await api.get(ADMIN, f"/quota/users/{BEN.user_id}")).data["balance"] == LIMIT


async def test_super_admin_names_the_organisation(world: World, api: Api) -> None:
    await world.hears(Spender().hi5())
    path = f"/quota/users/{ANNA.user_id}"
    assert (await api.get(SUPER_ADMIN, f"{path}?org_id=1")).data["balance"] == LIMIT - 1
    assert (await api.get(SUPER_ADMIN, path, X_Org_Id="1")).data["balance"] == LIMIT - 1
    unnamed = await api.get(SUPER_ADMIN, path)
    assert (unnamed.status, list(unnamed.error["fields"])) == (400, ["org_id"])


async def test_super_admin_has_no_hi5s(world: World, api: Api) -> None:
    quota = (await api.get(SUPER_ADMIN, "/quota/me?org_id=1")).data
    assert quota == {"balance": 0, "limit": 0, "spent": 0, "period_start": WEEK[0], "resets_at": WEEK[1]}
    assert (await api.get(SUPER_ADMIN, "/quota/me")).status == 400


async def test_departed_person_stays_readable(world: World, api: Api) -> None:
    await world.hears(Spender().hi5())
    await world.hears(joined(ANNA, active=False, version=2))
    assert (await api.get(ADMIN, f"/quota/users/{ANNA.user_id}")).data["spent"] == 1


@pytest.mark.parametrize("caller", [ANNA, BEN])
async def test_others_quota_is_for_admins(world: World, api: Api, caller: Caller) -> None:
    answer = await api.get(caller, f"/quota/users/{ADMIN.user_id}")
    assert (answer.status, answer.error["code"]) == (403, "access_denied")


@pytest.mark.parametrize("path", ["/quota/me", "/quota/users/11", "/quota/users/11/ledger", "/quota/proof"])
async def test_token_is_needed(world: World, api: Api, path: str) -> None:
    assert (await api.get(None, path)).status == 401


@pytest.mark.parametrize("user_id", [999, STRANGER.user_id])
async def test_unknown_and_foreign_people_do_not_exist(world: World, api: Api, user_id: int) -> None:
    await world.hears(Spender(STRANGER.user_id).hi5(), org_id=2)
    answer = await api.get(ADMIN, f"/quota/users/{user_id}")
    assert (answer.status, answer.error) == (404, {"code": "not_found", "message": "User not found"})


@pytest.mark.parametrize("user_id", ["0", "-1", "x", "1.5", str(2**53)])
async def test_what_is_no_id_is_refused(world: World, api: Api, user_id: str) -> None:
    answer = await api.get(ADMIN, f"/quota/users/{user_id}")
    assert (answer.status, list(answer.error["fields"])) == (400, ["id"])


async def test_without_a_policy_the_caller_is_asked_to_wait(empty_world: World, api: Api) -> None:
    answer = await api.get(ANNA, "/quota/me")
    assert (answer.status, answer.error["code"], answer.headers["Retry-After"]) == (503, "unavailable", "1")


async def test_token_is_enough_before_the_persons_event(empty_world: World, api: Api) -> None:
    await empty_world.hears(organisation())
    assert (await api.quota(ANNA))["balance"] == LIMIT


async def test_unchanged_quota_is_not_sent_again(world: World, api: Api) -> None:
    first = await api.get(ANNA, "/quota/me")
    again = await api.get(ANNA, "/quota/me", If_None_Match=first.headers["ETag"])
    assert (again.status, again.body) == (304, None)


async def test_organisations_do_not_mix(world: World, api: Api) -> None:
    await world.hears(Spender(ANNA.user_id).hi5(), org_id=2)
    assert (await api.quota(ANNA))["spent"] == 0
    assert (await api.get(FOREIGN_ADMIN, f"/quota/users/{ANNA.user_id}")).status == 404
