"""Extra hi5s in the running period, or fewer."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

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

NOW = int(NOON.timestamp())


async def test_adjustment_counts_at_once(world: World, api: Api) -> None:
    answer = await api.adjust(ADMIN, ANNA.user_id, 5, "  Launch week ")
    assert answer.status == 201
    assert answer.data | {"id": 0} == {
        "id": 0,
        "user_id": ANNA.user_id,
        "amount": 5,
        "reason": "Launch week",
        "made_by": ADMIN.user_id,
        "at": NOW,
        "balance": LIMIT + 5,
    }
    quota = await api.quota(ANNA)
    assert (quota["balance"], quota["limit"], quota["spent"]) == (LIMIT + 5, LIMIT + 5, 0)


async def test_it_is_over_with_its_period(world: World, api: Api) -> None:
    await api.adjust(ADMIN, ANNA.user_id, 5)
    world.clock.now = NOON + timedelta(days=7)
    assert (await api.quota(ANNA))["balance"] == LIMIT


async def test_the_full_set_is_published(world: World, api: Api) -> None:
    first = (await api.adjust(ADMIN, ANNA.user_id, 5)).data["id"]
    world.clock.now = NOON + timedelta(days=99)
    second = (await api.adjust(ADMIN, ANNA.user_id, -2)).data["id"]
    world.clock.now = NOON + timedelta(days=101)
    third = (await api.adjust(ADMIN, ANNA.user_id, 1)).data["id"]
    late, later = NOW + 99 * 86_400, NOW + 101 * 86_400
    assert await world.told("AllowanceAdjusted.v1") == [
        {"user_id": 11, "version": first, "adjustments": [{"id": first, "at": NOW, "amount": 5}]},
        {
            "user_id": 11,
            "version": second,
            "adjustments": [{"id": first, "at": NOW, "amount": 5}, {"id": second, "at": late, "amount": -2}],
        },
        {
            "user_id": 11,
            "version": third,
            "adjustments": [{"id": second, "at": late, "amount": -2}, {"id": third, "at": later, "amount": 1}],
        },
    ]


async def test_the_balance_is_published(world: World, api: Api) -> None:
    await world.hears(Spender().hi5())
    await api.adjust(ADMIN, ANNA.user_id, 5)
    await api.adjust(ADMIN, BEN.user_id, -3)
    _, anna, ben = await world.told("Hi5BalanceChanged.v1")
    assert anna == {"user_id": ANNA.user_id, "net": 1, "adjusted": 5, "resets_at": WEEK[1], "version": 2}
    assert ben == {"user_id": BEN.user_id, "net": 0, "adjusted": -3, "resets_at": WEEK[1], "version": 1}


async def test_balance_of_an_adjustment_survives_late_events_of_older_periods(world: World, api: Api) -> None:
    await api.adjust(ADMIN, ANNA.user_id, 5)
    await world.hears(Spender(window=(WEEK[0] - 604_800, WEEK[0])).hi5())
    newest = (await world.told("Hi5BalanceChanged.v1"))[-1]
    assert (newest["net"], newest["adjusted"], newest["resets_at"]) == (0, 5, WEEK[1])


async def test_it_is_listed_at_once_and_posted_with_the_next_event(world: World, api: Api) -> None:
    anna = Spender()
    await world.hears(anna.hi5())
    made = (await api.adjust(ADMIN, ANNA.user_id, 5, "Launch week")).data
    listed = (await api.lines(ANNA, ANNA.user_id))[0]
    assert listed | {"event_id": ""} == {
        "id": made["id"],
        "at": NOW,
        "kind": "adjustment",
        "amount": 5,
        "balance_after": LIMIT + 4,
        "event_id": "",
        "recognition_id": None,
        "reason": "Launch week",
    }
    assert await world.value("SELECT count(*) FROM entries WHERE kind = 'adjustment'") == 0
    anna.knows(made)
    await world.hears(anna.hi5())
    lines = await api.lines(ANNA, ANNA.user_id)
    assert listed in lines
    assert sorted(line["kind"] for line in lines) == ["adjustment", "grant", "spend", "spend"]
    assert await world.value("SELECT count(*) FROM entries WHERE kind = 'adjustment'") == 1


async def test_earlier_adjustments_are_part_of_a_new_allowance(world: World, api: Api) -> None:
    anna = Spender()
    anna.knows((await api.adjust(ADMIN, ANNA.user_id, 4)).data)
    anna.knows((await api.adjust(ADMIN, ANNA.user_id, -1)).data)
    await world.hears(anna.hi5())
    posted = await world.rows("SELECT kind, amount, balance_after FROM entries ORDER BY balance_after")
    assert sorted((row["kind"], row["amount"]) for row in posted) == [
        ("adjustment", -1),
        ("adjustment", 4),
        ("grant", LIMIT),
        ("spend", -1),
    ]
    assert (await api.quota(ANNA))["balance"] == LIMIT + 2


async def test_adjustment_that_recognition_did_not_know_yet_waits(world: World, api: Api) -> None:
    anna = Spender()
    made = (await api.adjust(ADMIN, ANNA.user_id, 4)).data
    await world.hears(anna.hi5())
    assert await world.value("SELECT count(*) FROM entries WHERE kind = 'adjustment'") == 0
    assert (await api.quota(ANNA))["balance"] == LIMIT + 3
    anna.knows(made)
    await world.hears(anna.hi5())
    assert await world.value("SELECT count(*) FROM entries WHERE kind = 'adjustment'") == 1


async def test_adjustments_that_cancel_out_are_posted_when_recognition_knows_them(world: World, api: Api) -> None:
    anna = Spender()
    taken = (await api.adjust(ADMIN, ANNA.user_id, -1)).data
    given = (await api.adjust(ADMIN, ANNA.user_id, 1)).data
    await world.hears(anna.hi5())
    assert await world.value("SELECT count(*) FROM entries WHERE kind = 'adjustment'") == 0
    anna.knows(taken)
    await world.hears(anna.hi5())
    assert await world.value("SELECT array_agg(id) FROM entries WHERE kind = 'adjustment'") == [taken["id"]]
    anna.knows(given)
    await world.hears(anna.hi5())
    posted = await world.rows("SELECT kind, amount FROM entries WHERE kind <> 'spend' ORDER BY seq")
    assert [tuple(row) for row in posted] == [("grant", LIMIT), ("adjustment", -1), ("adjustment", 1)]


async def test_no_more_can_be_taken_than_is_left(world: World, api: Api) -> None:
    await world.hears(Spender().hi5())
    answer = await api.adjust(ADMIN, ANNA.user_id, -LIMIT)
    assert (answer.status, answer.error["code"]) == (422, "unprocessable_entity")
    assert "Only 9 hi5s are left" in answer.error["message"]
    assert (await api.adjust(ADMIN, ANNA.user_id, -9)).data["balance"] == 0
    assert (await api.adjust(ADMIN, ANNA.user_id, -1)).status == 422
    assert (await api.quota(ANNA))["balance"] == 0


async def test_simultaneous_takings_never_take_more_than_is_left(world: World, api: Api) -> None:
    answers = await asyncio.gather(*(api.adjust(ADMIN, ANNA.user_id, -3) for _ in range(12)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [201] * 3 + [422] * 9
    assert (await api.quota(ANNA))["balance"] == 1
    assert [told["version"] for told in await world.told("Hi5BalanceChanged.v1")] == [1, 2, 3]


async def test_later_spends_after_a_taking_end_at_nothing_left(world: World, api: Api) -> None:
    anna = Spender()
    for _ in range(3):
        await world.hears(anna.hi5())
    await api.adjust(ADMIN, ANNA.user_id, -7)
    await world.hears(anna.hi5())
    assert (await api.quota(ANNA))["balance"] == 0


async def test_extra_for_somebody_over_the_limit_fills_the_gap_first(world: World, api: Api) -> None:
    anna = Spender()
    for _ in range(5):
        await world.hears(anna.hi5())
    await world.hears(organisation(2, 3))
    assert (await api.adjust(ADMIN, ANNA.user_id, 1)).data["balance"] == 0
    assert (await api.adjust(ADMIN, ANNA.user_id, 3)).data["balance"] == 2


WRONG: list[tuple[Any, list[str]]] = [
    ({}, ["amount", "reason"]),
    ({"amount": 0, "reason": "x"}, ["amount"]),
    ({"amount": 1_000_001, "reason": "x"}, ["amount"]),
    ({"amount": -1_000_001, "reason": "x"}, ["amount"]),
    ({"amount": 1.5, "reason": "x"}, ["amount"]),
    ({"amount": True, "reason": "x"}, ["amount"]),
    ({"amount": None, "reason": "x"}, ["amount"]),
    ({"amount": 1, "reason": "  "}, ["reason"]),
    ({"amount": 1, "reason": "x" * 1001}, ["reason"]),
    ({"amount": 1, "reason": 7}, ["reason"]),
]


@pytest.mark.parametrize(("body", "fields"), WRONG)
async def test_wrong_bodies_are_refused(world: World, api: Api, body: Any, fields: list[str]) -> None:
    answer = await api.ask(ADMIN, "POST", f"/quota/users/{ANNA.user_id}/adjustments", body)
    assert (answer.status, answer.error["message"]) == (400, "Invalid adjustment data")
    assert sorted(answer.error["fields"]) == fields
    assert await world.value("SELECT count(*) FROM adjustments") == 0


@pytest.mark.parametrize("amount", [1_000_000, "12", 3.0])
async def test_largest_amount_and_lenient_forms_are_taken(world: World, api: Api, amount: Any) -> None:
    assert (await api.adjust(ADMIN, ANNA.user_id, amount)).data["amount"] == int(amount)


@pytest.mark.parametrize("user_id", [999, STRANGER.user_id, "0", "nobody"])
async def test_unknown_person_is_wrong_data(world: World, api: Api, user_id: Any) -> None:
    answer = await api.adjust(ADMIN, user_id, 1)
    assert (answer.status, list(answer.error["fields"])) == (400, ["id"])


async def test_departed_person_gets_nothing(world: World, api: Api) -> None:
    await world.hears(joined(ANNA, active=False, version=2))
    assert (await api.adjust(ADMIN, ANNA.user_id, 1)).status == 400


async def test_person_whose_event_is_on_the_way_is_waited_for(world: World, api: Api) -> None:
    newcomer = Caller(77, ANNA.role, 1)
    asked = asyncio.create_task(api.adjust(ADMIN, newcomer.user_id, 1))
    await world.hears(joined(newcomer))
    assert (await asked).status == 201


async def test_without_a_policy_the_caller_is_asked_to_wait(empty_world: World, api: Api) -> None:
    await empty_world.hears(joined(ANNA))
    answer = await api.adjust(ADMIN, ANNA.user_id, 1)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize("caller", [ANNA, BEN])
async def test_adjusting_is_for_admins(world: World, api: Api, caller: Caller) -> None:
    assert (await api.adjust(caller, ANNA.user_id, 1)).status == 403
    assert (await api.adjust(None, ANNA.user_id, 1)).status == 401
    assert (await api.adjust(FOREIGN_ADMIN, ANNA.user_id, 1)).status == 400
    assert (await api.get(ADMIN, f"/quota/users/{ANNA.user_id}/adjustments")).status == 405


async def test_super_admin_adjusts_in_a_named_organisation(world: World, api: Api) -> None:
    assert (await api.adjust(SUPER_ADMIN, ANNA.user_id, 1)).status == 400
    assert (await api.adjust(SUPER_ADMIN, ANNA.user_id, 1, X_Org_Id="1")).status == 201


async def test_same_key_adjusts_once(world: World, api: Api) -> None:
    answers = [await api.adjust(ADMIN, ANNA.user_id, 2, Idempotency_Key="k1") for _ in range(3)]
    assert {answer.data["id"] for answer in answers} == {answers[0].data["id"]}
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true", "true"]
    assert (await api.adjust(ADMIN, ANNA.user_id, 3, Idempotency_Key="k1")).status == 422
    assert (await api.quota(ANNA))["balance"] == LIMIT + 2
