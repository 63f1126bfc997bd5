"""Hi5s over HTTP: the rules, the balance, and that a key gives once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.contracts.recognition import Hi5Spent, Hi5sReceivedChanged
from tests.component.recognition.world import ADMIN, ANNA, BEN, CLEO, MODERATOR, STRANGER, SUPER_ADMIN, Api, World
from tests.support.api import Caller


@pytest.fixture
async def thanks(api: Api) -> int:
    """Anna thanked Ben."""
    return await api.given(ANNA, BEN, await api.new_value())


async def test_a_hi5_tells_the_balance_after_it(api: Api, world: World, thanks: int) -> None:
    answer = await api.hi5(CLEO, thanks, {"comment": " So true! "})
    assert answer.status == 201
    now = datetime.now(UTC).timestamp()
    given_at = answer.data["given_at"]
    assert answer.data == {
        "id": answer.data["id"],
        "recognition_id": thanks,
        "given_by": CLEO.user_id,
        "given_at": given_at,
        "comment": "So true!",
    }
    assert abs(given_at - now) < 10
    assert answer.meta["hi5_quota_balance"] == 9
    assert now < answer.meta["resets_at"] <= now + timedelta(days=1).total_seconds()
    (spent,) = await world.told(Hi5Spent)
    assert (spent.hi5_id, spent.recognition_id, spent.given_by) == (answer.data["id"], thanks, CLEO.user_id)
    assert (spent.given_for, spent.given_at, spent.comment) == (BEN.user_id, given_at, "So true!")
    block = spent.allowance
    assert (block.user_id, block.seq, block.granted, block.spent_total, block.refunded_total) == (13, 1, 10, 1, 0)
    assert block.starts_at <= given_at < block.ends_at == answer.meta["resets_at"]
    (received,) = await world.told(Hi5sReceivedChanged)
    assert (received.user_id, received.count, received.version) == (BEN.user_id, 1, 1)


async def test_body_and_comment_are_optional(api: Api, thanks: int) -> None:
    for caller, body in ((CLEO, None), (ADMIN, {}), (MODERATOR, {"comment": None}), (ANNA, {"comment": "  "})):
        answer = await api.hi5(caller, thanks, body)
        assert (answer.status, answer.data["comment"]) == (201, None)


@pytest.mark.parametrize("comment", ["x" * 501, 7, ["x"], "nul\0"])
async def test_a_wrong_comment_is_refused(api: Api, thanks: int, comment: Any) -> None:
    answer = await api.hi5(CLEO, thanks, {"comment": comment})
    assert answer.code == (400, "invalid_data")
    assert answer.error["message"].startswith("Invalid hi5 data")


async def test_the_receiver_gives_none_on_their_own(api: Api, thanks: int) -> None:
    assert (await api.hi5(BEN, thanks)).code == (422, "unprocessable_entity")
    assert (await api.hi5(ANNA, thanks)).status == 201


async def test_nobody_gives_a_second_one(api: Api, world: World, thanks: int) -> None:
    await api.hi5(CLEO, thanks)
    assert (await api.hi5(CLEO, thanks)).code == (422, "unprocessable_entity")
    assert (await api.get(CLEO, f"/recognitions/{thanks}")).data["hi5_count"] == 1
    assert len(await world.told(Hi5Spent)) == 1


async def test_unknown_and_foreign_recognitions_are_bad_data(api: Api, thanks: int) -> None:
    unknown, foreign = await api.hi5(STRANGER, 4711), await api.hi5(STRANGER, thanks)
    assert unknown.code == (400, "invalid_data")
    assert set(unknown.error["fields"]) == {"id"}
    assert foreign.body == unknown.body
    for path in ("0", "-1", "x", str(2**53), "1.0"):
        assert (await api.hi5(CLEO, path)).code == (400, "invalid_data")


async def test_who_may_give(api: Api, thanks: int) -> None:
    assert (await api.hi5(None, thanks)).code == (401, "invalid_token")
    assert (await api.hi5(SUPER_ADMIN, thanks)).code == (403, "access_denied")


async def test_an_empty_balance_is_refused_and_leaves_nothing(api: Api, world: World) -> None:
    await world.policy(2)
    value_id = await api.new_value()
    ids = [await api.given(ANNA, BEN, value_id) for _ in range(3)]
    balances = [(await api.hi5(CLEO, id_)).meta["hi5_quota_balance"] for id_ in ids[:2]]
    assert balances == [1, 0]
    refused = await api.hi5(CLEO, ids[2])
    assert refused.code == (400, "insufficient_hi5_balance")
    assert refused.error["message"] == "Hi5 quota balance is insufficient for this action"
    assert (await api.get(CLEO, f"/recognitions/{ids[2]}")).data["hi5_count"] == 0
    assert await world.value("SELECT count(*) FROM hi5s") == 2
    assert await world.received(BEN) == 2
    assert await world.broken() == {}


async def test_a_limit_of_nothing_gives_nothing(api: Api, world: World, thanks: int) -> None:
    await world.policy(0)
    assert (await api.hi5(CLEO, thanks)).code == (400, "insufficient_hi5_balance")


async def test_without_a_policy_it_is_unavailable(api: Api, world: World) -> None:
    young = 79
    admin, giver, receiver = Caller(621, ADMIN.role, young), Caller(622, org_id=young), Caller(623, org_id=young)
    await world.organisation(young)
    await world.joins(receiver)
    thanks = await api.given(admin, receiver, await api.new_value("Ours", admin))
    answer = await api.hi5(giver, thanks)
    assert (answer.code, answer.headers["Retry-After"]) == ((503, "unavailable"), "1")
    assert "quota" in answer.error["message"]
    await world.policy(1, young)
    assert (await api.hi5(giver, thanks)).status == 201


async def test_the_list_shows_who_gave_newest_first(api: Api, thanks: int) -> None:
    for caller in (CLEO, ADMIN, ANNA):
        await api.hi5(caller, thanks, {"comment": f"from {caller.user_id}"})
    answer = await api.get(ANNA, f"/recognitions/{thanks}/hi5")
    assert [row["user_id"] for row in answer.data] == [ANNA.user_id, ADMIN.user_id, CLEO.user_id]
    assert set(answer.data[0]) == {"user_id", "display_name", "profile_image_url", "comment", "given_at"}
    assert (answer.data[2]["display_name"], answer.data[2]["comment"]) == ("Cleo T.", "from 13")
    first = await api.get(ANNA, f"/recognitions/{thanks}/hi5?limit=2&total=true")
    assert first.meta["total"] == 3
    rest = await api.get(ANNA, f"/recognitions/{thanks}/hi5?limit=2&cursor={first.meta['next_cursor']}")
    assert [row["user_id"] for row in rest.data] == [CLEO.user_id]
    assert "next_cursor" not in rest.meta
    assert (await api.get(ANNA, f"/recognitions/{thanks}/hi5?offset=1&limit=1")).data[0]["user_id"] == ADMIN.user_id


async def test_the_list_of_what_is_not_there_is_not_found(api: Api, thanks: int) -> None:
    assert (await api.get(ANNA, f"/recognitions/{thanks}/hi5")).data == []
    assert (await api.get(ANNA, "/recognitions/4711/hi5")).code == (404, "not_found")
    assert (await api.get(STRANGER, f"/recognitions/{thanks}/hi5")).code == (404, "not_found")


async def test_the_same_key_spends_once(api: Api, world: World, thanks: int) -> None:
    first = await api.hi5(CLEO, thanks, {"comment": "Yes"}, Idempotency_Key="k1")
    again = await api.hi5(CLEO, thanks, {"comment": "Yes"}, Idempotency_Key="k1")
    assert "Idempotency-Replayed" not in first.headers
    assert (again.status, again.body, again.headers["Idempotency-Replayed"]) == (201, first.body, "true")
    other = await api.hi5(CLEO, thanks, {"comment": "No"}, Idempotency_Key="k1")
    assert other.code == (422, "idempotency_key_reused")
    assert len(await world.told(Hi5Spent)) == 1
    assert await world.broken() == {}


async def test_a_key_belongs_to_its_caller_and_route(api: Api, thanks: int) -> None:
    other = await api.given(ADMIN, BEN, (await api.get(ANNA, "/core_values")).data[0]["id"])
    statuses = [(await api.hi5(caller, id_, None, Idempotency_Key="k")).status for caller, id_ in
                ((CLEO, thanks), (ADMIN, thanks), (CLEO, other))]  # fmt: skip
    assert statuses == [201, 201, 201]


async def test_a_refusal_is_not_kept(api: Api, world: World, thanks: int) -> None:
    await world.policy(0)
    assert (await api.hi5(CLEO, thanks, None, Idempotency_Key="k")).status == 400
    await world.policy(1)
    assert (await api.hi5(CLEO, thanks, None, Idempotency_Key="k")).status == 201


async def test_who_is_not_known_yet_may_give(api: Api, world: World, thanks: int) -> None:
    newcomer = Caller(503)
    assert (await api.hi5(newcomer, thanks)).status == 201
    assert await world.value("SELECT version FROM members WHERE user_id = 503") == 0
    await world.joins(newcomer, "Nils")
    assert (await api.get(ANNA, f"/recognitions/{thanks}/hi5")).data[0]["display_name"] == "Nils T."
