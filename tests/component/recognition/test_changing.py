"""TM-5 for recognitions: mending what one said and taking it back, for a quarter of an hour; admins at any time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.contracts.recognition import Hi5Refunded, Hi5sReceivedChanged, RecognitionChanged, RecognitionDeleted
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

TEXT = {"text": "Better said"}
UNKNOWN = 999_999


@pytest.fixture
async def given(api: Api) -> int:
    return await api.given(ANNA, BEN, await api.new_value())


async def grow_older(world: World, minutes: float) -> None:
    await world.as_administrator(f"UPDATE recognitions SET given_at = given_at - interval '{minutes} minutes'")


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_tm5_the_giver_mends_the_text(api: Api, world: World, given: int, method: str) -> None:
    await grow_older(world, 14)
    changed = await api.ask(ANNA, method, f"/recognitions/{given}", {**TEXT, "given_for": CLEO.user_id, "id": 5})
    assert changed.status == 200
    shown = await api.get(CLEO, f"/recognitions/{given}")
    assert changed.data == shown.data
    assert (shown.data["text"], shown.data["given_for"]) == ("Better said", BEN.user_id)
    [event] = await world.told(RecognitionChanged)
    assert (event.recognition_id, event.text, event.version) == (given, "Better said", 2)


async def test_tm5_a_patch_of_nothing_changes_nothing(api: Api, world: World, given: int) -> None:
    assert (await api.ask(ANNA, "PATCH", f"/recognitions/{given}", {})).data["text"] == "Well done"
    assert await world.told(RecognitionChanged) == []


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_tm5_the_same_text_again_is_no_change(api: Api, world: World, given: int, method: str) -> None:
    path = f"/recognitions/{given}"
    tag = (await api.get(ANNA, path)).headers["ETag"]
    assert (await api.ask(ANNA, method, path, {"text": " Well done "})).status == 200
    assert (await api.get(ANNA, path, If_None_Match=tag)).status == 304
    assert await world.told(RecognitionChanged) == []
    assert len((await api.get(ADMIN, f"{path}/historylog")).data) == 1
    assert (await api.ask(ANNA, method, path, TEXT, If_Match=tag)).status == 200
    assert (await api.ask(ANNA, method, path, TEXT, If_Match=tag)).code == (412, "version_mismatch")


@pytest.mark.parametrize("text", ["", " ", "x" * 1001, None, 5, ["a"], "nul\x00"])
async def test_tm5_a_wrong_text_is_400(api: Api, given: int, text: Any) -> None:
    for method in ("PATCH", "PUT"):
        answer = await api.ask(ANNA, method, f"/recognitions/{given}", {"text": text})
        assert answer.code == (400, "invalid_data"), method
    assert (await api.ask(ANNA, "PUT", f"/recognitions/{given}", {})).error["fields"].keys() == {"text"}


@pytest.mark.parametrize("caller", [BEN, CLEO, MODERATOR, ADMIN])
async def test_tm5_nobody_mends_what_another_said(api: Api, given: int, caller: Caller) -> None:
    for method in ("PATCH", "PUT"):
        assert (await api.ask(caller, method, f"/recognitions/{given}", TEXT)).code == (403, "access_denied")


async def test_tm5_after_a_quarter_of_an_hour_it_stands(api: Api, world: World, given: int) -> None:
    await grow_older(world, 15)
    too_late = (422, "unprocessable_entity")
    assert (await api.ask(ANNA, "PATCH", f"/recognitions/{given}", TEXT)).code == too_late
    assert (await api.ask(ANNA, "PUT", f"/recognitions/{given}", TEXT)).code == too_late
    assert (await api.ask(ANNA, "DELETE", f"/recognitions/{given}")).code == too_late
    assert (await api.ask(ADMIN, "DELETE", f"/recognitions/{given}")).status == 204


@pytest.mark.parametrize("remover", [ANNA, ADMIN, SUPER_ADMIN])
async def test_tm5_what_is_taken_back_is_gone(api: Api, world: World, given: int, remover: Caller) -> None:
    path = f"/recognitions/{given}"
    named = {} if remover.org_id else {"X_Org_Id": "1"}
    assert (await api.ask(remover, "DELETE", path, **named)).status == 204
    assert (await api.get(ANNA, path)).code == (404, "not_found")
    assert await api.feed() == []
    assert (await api.hi5(CLEO, given)).code == (400, "invalid_data")
    assert (await api.ask(ANNA, "PATCH", path, TEXT)).code == (404, "not_found")
    assert (await api.ask(ANNA, "PUT", path, TEXT)).code == (400, "invalid_data")
    assert (await api.ask(ADMIN, "DELETE", path)).code == (404, "not_found")
    [event] = await world.told(RecognitionDeleted)
    assert (event.recognition_id, event.deleted_by, event.version) == (given, remover.user_id, 2)


@pytest.mark.parametrize("caller", [BEN, CLEO, MODERATOR])
async def test_tm5_nobody_takes_back_what_another_said(api: Api, given: int, caller: Caller) -> None:
    assert (await api.ask(caller, "DELETE", f"/recognitions/{given}")).code == (403, "access_denied")


async def test_tm5_another_organisations_is_not_there(api: Api, given: int) -> None:
    for caller in (STRANGER, FOREIGN_ADMIN):
        for id_ in (given, UNKNOWN):
            assert (await api.ask(caller, "PATCH", f"/recognitions/{id_}", TEXT)).code == (404, "not_found")
            assert (await api.ask(caller, "DELETE", f"/recognitions/{id_}")).code == (404, "not_found")
            assert (await api.ask(caller, "PUT", f"/recognitions/{id_}", TEXT)).code == (400, "invalid_data")


async def test_tm5_taking_back_returns_what_was_spent(api: Api, world: World) -> None:
    await world.organisation(cost=1)
    given = await api.given(ANNA, BEN, await api.new_value())
    for giver in (CLEO, MODERATOR):
        assert (await api.hi5(giver, given)).status == 201
    assert (await api.ask(ANNA, "DELETE", f"/recognitions/{given}")).status == 204
    refunds = await world.told(Hi5Refunded)
    assert [(event.given_by, event.kind, event.reason) for event in refunds] == [
        (ANNA.user_id, "recognition", "deleted"),
        (CLEO.user_id, "hi5", "deleted"),
        (MODERATOR.user_id, "hi5", "deleted"),
    ]
    assert {event.allowance.spent_total - event.allowance.refunded_total for event in refunds} == {0}
    assert [event.count for event in await world.told(Hi5sReceivedChanged)] == [1, 2, 0]
    assert await world.received(BEN) == 0
    assert await world.broken() == {}


async def test_tm5_what_a_past_period_spent_does_not_return(api: Api, world: World) -> None:
    await world.organisation(cost=1)
    given = await api.given(ANNA, BEN, await api.new_value())
    await api.hi5(CLEO, given)
    await world.a_day_passes()
    assert (await api.ask(ADMIN, "DELETE", f"/recognitions/{given}")).status == 204
    assert await world.told(Hi5Refunded) == []
    assert await world.received(BEN) == 0
    assert await world.broken() == {}


async def test_tm5_hidden_then_taken_back_returns_each_hi5_once(api: Api, world: World) -> None:
    await world.organisation(cost=1)
    given = await api.given(ANNA, BEN, await api.new_value())
    await api.hi5(CLEO, given)
    await world.hides(given, 1)
    assert (await api.ask(ANNA, "DELETE", f"/recognitions/{given}")).code == (404, "not_found")
    assert (await api.ask(ADMIN, "DELETE", f"/recognitions/{given}")).status == 204
    await world.restores(given, 2)
    await world.hides(given, 3)
    assert [(event.given_by, event.reason) for event in await world.told(Hi5Refunded)] == [
        (CLEO.user_id, "hidden"),
        (ANNA.user_id, "deleted"),
    ]
    assert await world.received(BEN) == 0
    assert await world.broken() == {}


async def test_tm5_stale_versions_are_412(api: Api, given: int) -> None:
    path = f"/recognitions/{given}"
    tag = (await api.get(ANNA, path)).headers["ETag"]
    assert (await api.ask(ANNA, "PATCH", path, TEXT, If_Match=tag)).status == 200
    assert (await api.ask(ANNA, "PATCH", path, TEXT, If_Match=tag)).code == (412, "version_mismatch")
    assert (await api.ask(ANNA, "DELETE", path, If_Match=tag)).code == (412, "version_mismatch")
    tag = (await api.get(ANNA, path)).headers["ETag"]
    assert (await api.ask(ANNA, "DELETE", path, If_Match=tag)).status == 204


async def test_tm5_taken_back_while_a_crowd_gives(api: Api, world: World, given: int) -> None:
    crowd = await world.newcomers(12)

    async def taking_back() -> int:
        return (await api.ask(ANNA, "DELETE", f"/recognitions/{given}")).status

    *answers, status = await asyncio.gather(*(api.hi5(caller, given) for caller in crowd), taking_back())
    assert status == 204
    assert {getattr(answer, "status", answer) for answer in answers} <= {201, 400}
    assert await world.received(BEN) == 0
    assert await world.broken() == {}


async def test_tm5_twice_at_once_refunds_once(api: Api, world: World) -> None:
    await world.organisation(cost=1)
    given = await api.given(ANNA, BEN, await api.new_value())
    answers = await asyncio.gather(*(api.ask(who, "DELETE", f"/recognitions/{given}") for who in (ANNA, ADMIN) * 4))
    assert sorted(answer.status for answer in answers) == [204] + [404] * 7
    assert len(await world.told(Hi5Refunded)) == 1
    assert await world.broken() == {}
