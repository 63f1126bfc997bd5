"""Giving recognitions over HTTP, and reading one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.contracts.recognition import RecognitionGiven
from tests.component.recognition.world import (
    ADMIN,
    ANNA,
    BEN,
    CLEO,
    FOREIGN_ADMIN,
    MODERATOR,
    STRANGER,
    SUPER_ADMIN,
    Api,
    World,
)
from tests.support.api import Caller

CARD = {"first_name": "Ben", "last_name": "Tester", "display_name": "Ben T.", "profile_image_url": None}


async def test_a_given_recognition_reads_as_the_contract_says(api: Api, world: World) -> None:
    value_id = await api.new_value()
    given = await api.give(ANNA, BEN, value_id, "  Thank you, Ben 🎉 ")
    assert given.status == 201
    given_at = given.data["given_at"]
    assert given.data == {
        "id": given.data["id"],
        "core_values_id": value_id,
        "core_value_id": value_id,
        "text": "Thank you, Ben 🎉",
        "given_for": BEN.user_id,
        "given_by": ANNA.user_id,
        "given_at": given_at,
    }
    shown = await api.get(CLEO, f"/recognitions/{given.data['id']}")
    assert shown.data == {
        "id": given.data["id"],
        "text": "Thank you, Ben 🎉",
        "given_for": BEN.user_id,
        "given_by": ANNA.user_id,
        "given_at": given_at,
        "core_value": {"id": value_id, "text": "Teamwork", "description": "Together", "thumbnail": None},
        "hi5_count": 0,
        "attachments": None,
        "given_for_user": {"id": BEN.user_id, **CARD},
        "given_by_user": {"id": ANNA.user_id, **CARD, "first_name": "Anna", "display_name": "Anna T."},
    }
    assert (await api.get(CLEO, "/recognitions")).data == [shown.data]
    (event,) = await world.told(RecognitionGiven)
    assert (event.given_by, event.given_for, event.given_at) == (ANNA.user_id, BEN.user_id, given_at)
    assert (event.cost, event.allowance, event.imported, event.version) == (0, None, False, 1)


async def test_the_giver_is_the_tokens_user_whatever_the_body_says(api: Api) -> None:
    value_id = await api.new_value()
    body = {"given_for": str(BEN.user_id), "core_value_id": value_id, "text": "x", "given_by": CLEO.user_id, "id": 7}
    given = await api.ask(ANNA, "POST", "/recognitions", body)
    assert (given.status, given.data["given_by"]) == (201, ANNA.user_id)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"given_for": None}, {"given_for"}),
        ({"given_for": 4711}, {"given_for"}),
        ({"given_for": STRANGER.user_id}, {"given_for"}),
        ({"core_value_id": 4711}, {"core_value_id"}),
        ({"core_value_id": 1.5, "given_for": -1}, {"core_value_id", "given_for"}),
        ({"core_value_id": 4711, "given_for": 4711}, {"core_value_id", "given_for"}),
        ({"text": " "}, {"text"}),
        ({"text": "x" * 1001}, {"text"}),
        ({"text": ["x"]}, {"text"}),
    ],
)
async def test_every_wrong_field_is_named(api: Api, change: dict[str, Any], fields: set[str]) -> None:
    body = {"given_for": BEN.user_id, "core_value_id": await api.new_value(), "text": "Thanks", **change}
    answer = await api.ask(ANNA, "POST", "/recognitions", body)
    assert (answer.code, answer.error["message"]) == ((400, "invalid_data"), "Invalid recognition data")
    assert set(answer.error["fields"]) == fields


async def test_a_foreign_core_value_does_not_exist(api: Api) -> None:
    foreign = await api.new_value("Theirs", FOREIGN_ADMIN)
    unknown, theirs = await api.give(ANNA, BEN, 4711), await api.give(ANNA, BEN, foreign)
    assert theirs.status == 400
    assert theirs.body == unknown.body


async def test_nobody_thanks_themselves(api: Api) -> None:
    assert (await api.give(ANNA, ANNA, await api.new_value())).code == (422, "unprocessable_entity")


async def test_who_may_give(api: Api) -> None:
    value_id = await api.new_value()
    for caller in (ANNA, MODERATOR, ADMIN):
        assert (await api.give(caller, BEN, value_id)).status == 201
    assert (await api.give(SUPER_ADMIN, BEN, value_id)).code == (403, "access_denied")
    body = {"given_for": BEN.user_id, "core_value_id": value_id, "text": "x"}
    assert (await api.ask(None, "POST", "/recognitions", body)).code == (401, "invalid_token")


async def test_a_deactivated_person_receives_nothing_new_and_keeps_the_old(api: Api, world: World) -> None:
    value_id = await api.new_value()
    old = await api.given(ANNA, BEN, value_id)
    await world.leaves(BEN)
    refused = await api.give(ANNA, BEN, value_id)
    assert set(refused.error["fields"]) == {"given_for"}
    assert (await api.get(ANNA, f"/recognitions/{old}")).data["given_for_user"]["id"] == BEN.user_id
    await world.returns(BEN)
    assert (await api.give(ANNA, BEN, value_id)).status == 201


async def test_a_deactivated_person_gives_nothing(api: Api, world: World) -> None:
    value_id = await api.new_value()
    await world.leaves(ANNA)
    assert (await api.give(ANNA, BEN, value_id)).code == (401, "invalid_token")


async def test_a_receiver_whose_event_is_on_its_way_is_waited_for(api: Api, world: World) -> None:
    value_id = await api.new_value()
    newcomer = Caller(501)
    asked = asyncio.create_task(api.give(ANNA, newcomer, value_id))
    await asyncio.sleep(0.1)
    await world.joins(newcomer)
    assert (await asked).status == 201


async def test_a_giver_whose_event_is_on_its_way_may_give(api: Api, world: World) -> None:
    newcomer = Caller(502)
    given = await api.given(newcomer, BEN, await api.new_value())
    card = (await api.get(ANNA, f"/recognitions/{given}")).data["given_by_user"]
    assert card == {
        "id": 502,
        "first_name": "",
        "last_name": "",
        "display_name": "",
        "profile_image_url": None,
    }
    await world.joins(newcomer, "Nora")
    assert (await api.get(ANNA, f"/recognitions/{given}")).data["given_by_user"]["first_name"] == "Nora"


async def test_an_organisation_that_is_not_known_yet_is_no_error_of_the_caller(api: Api, world: World) -> None:
    young = 77
    admin, giver, receiver = Caller(601, ADMIN.role, young), Caller(602, org_id=young), Caller(603, org_id=young)
    await world.joins(receiver)
    value_id = await api.new_value("Ours", admin)
    answer = await api.give(giver, receiver, value_id)
    assert (answer.code, answer.headers["Retry-After"]) == ((503, "unavailable"), "1")
    await world.organisation(young)
    assert (await api.give(giver, receiver, value_id)).status == 201


async def test_a_recognition_may_cost_a_hi5(api: Api, world: World) -> None:
    await world.organisation(cost=1)
    await world.policy(2)
    value_id = await api.new_value()
    for _ in range(2):
        assert (await api.give(ANNA, BEN, value_id)).status == 201
    refused = await api.give(ANNA, BEN, value_id)
    assert refused.code == (400, "insufficient_hi5_balance")
    assert refused.error["message"] == "Hi5 quota balance is insufficient for this action"
    events = await world.told(RecognitionGiven)
    assert [event.cost for event in events] == [1, 1]
    blocks = [event.allowance for event in events]
    assert [(block.seq, block.spent_total, block.granted, block.user_id) for block in blocks if block] == [
        (1, 1, 2, ANNA.user_id),
        (2, 2, 2, ANNA.user_id),
    ]
    assert await api.feed() == [events[1].recognition_id, events[0].recognition_id]
    assert await world.broken() == {}


async def test_without_a_policy_a_costly_recognition_waits(api: Api, world: World) -> None:
    young = 78
    admin, giver, receiver = Caller(611, ADMIN.role, young), Caller(612, org_id=young), Caller(613, org_id=young)
    await world.organisation(young, cost=1)
    await world.joins(receiver)
    value_id = await api.new_value("Ours", admin)
    assert (await api.give(giver, receiver, value_id)).code == (503, "unavailable")
    await world.policy(1, young)
    assert (await api.give(giver, receiver, value_id)).status == 201


async def test_the_same_key_gives_once(api: Api, world: World) -> None:
    await world.organisation(cost=1)
    body = {"given_for": BEN.user_id, "core_value_id": await api.new_value(), "text": "Thanks"}
    first = await api.ask(ANNA, "POST", "/recognitions", body, Idempotency_Key="once")
    again = await api.ask(ANNA, "POST", "/v1/recognitions/", body, Idempotency_Key="once")
    assert first.status == 201
    assert (again.status, again.body, again.headers["Idempotency-Replayed"]) == (201, first.body, "true")
    other = await api.ask(ANNA, "POST", "/recognitions", {**body, "text": "More"}, Idempotency_Key="once")
    assert other.code == (422, "idempotency_key_reused")
    assert len(await world.told(RecognitionGiven)) == 1


async def test_one_recognition_has_an_entity_tag(api: Api) -> None:
    given = await api.given(ANNA, BEN, await api.new_value())
    first = await api.get(CLEO, f"/recognitions/{given}")
    assert (await api.get(CLEO, f"/recognitions/{given}", If_None_Match=first.headers["ETag"])).status == 304
    await api.hi5(CLEO, given)
    assert (await api.get(CLEO, f"/recognitions/{given}", If_None_Match=first.headers["ETag"])).status == 200


async def test_unknown_and_foreign_recognitions_are_not_there(api: Api) -> None:
    given = await api.given(ANNA, BEN, await api.new_value())
    foreign, unknown = await api.get(STRANGER, f"/recognitions/{given}"), await api.get(STRANGER, "/recognitions/4711")
    assert foreign.code == (404, "not_found")
    assert foreign.body == unknown.body
    assert foreign.error["message"] == "Recognition not found"
    assert (await api.get(SUPER_ADMIN, f"/recognitions/{given}?org_id=1")).status == 200
    assert (await api.get(ANNA, "/recognitions/none")).code == (400, "invalid_data")
