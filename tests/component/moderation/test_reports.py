"""POST /recognitions/:id/report, over HTTP."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.component.moderation.world import (
    ADMIN,
    ANNA,
    BEN,
    CLEO,
    MODERATOR,
    STRANGER,
    SUPER_ADMIN,
    Api,
    World,
    deleted,
    given,
)
from tests.support.api import ACME, GLOBEX, Caller

REPORTS = "SELECT count(*) FROM reports"


@pytest.fixture(autouse=True)
async def thanked(world: World) -> None:
    await world.hears(given(100, ANNA, BEN))


@pytest.mark.parametrize("caller", [BEN, CLEO, MODERATOR, ADMIN])
async def test_any_member_reports_and_the_moderators_are_told(api: Api, world: World, caller: Caller) -> None:
    reply = await api.report(caller, 100, "not_relevant", "  No idea what this is about  ")
    assert reply.status == 201
    assert reply.data == {
        "id": reply.data["id"],
        "recognition_id": 100,
        "mark_as": "not_relevant",
        "reason": "No idea what this is about",
        "reported_by": caller.user_id,
        "reported_at": pytest.approx(time.time(), abs=60),
    }
    assert await world.told(100) == [
        (
            "RecognitionReported.v1",
            {
                "report_id": reply.data["id"],
                "recognition_id": 100,
                "reported_by": caller.user_id,
                "mark_as": "not_relevant",
                "reason": "No idea what this is about",
                "reported_at": reply.data["reported_at"],
            },
        )
    ]


async def test_a_super_admin_reports_in_the_organisation_that_it_names(api: Api) -> None:
    path = "/recognitions/100/report"
    body = {"mark_as": "fraud", "reason": "Told by phone"}
    nameless = await api.ask(SUPER_ADMIN, "POST", path, body)
    assert (nameless.status, set(nameless.error["fields"])) == (400, {"org_id"})
    named = await api.ask(SUPER_ADMIN, "POST", path, body, X_Org_Id=str(ACME))
    assert named.status == 201
    other = await api.ask(SUPER_ADMIN, "POST", path, body, X_Org_Id=str(GLOBEX))
    assert other.status == 400


async def test_the_path_is_served_under_v1_and_with_a_trailing_slash(api: Api) -> None:
    body = {"mark_as": "fraud", "reason": "x"}
    assert (await api.ask(BEN, "POST", "/v1/recognitions/100/report/", body)).status == 201
    assert (await api.ask(CLEO, "POST", "/recognitions/100/report/", body)).status == 201


async def test_without_a_token_nothing_is_reported(api: Api, world: World) -> None:
    reply = await api.report(None, 100)
    assert (reply.status, reply.error) == (401, {"code": "invalid_token", "message": "unauthorized user"})
    assert await world.value(REPORTS) == 0


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"mark_as", "reason"}),
        ({"mark_as": "boring", "reason": "x"}, {"mark_as"}),
        ({"mark_as": "FRAUD", "reason": "x"}, {"mark_as"}),
        ({"mark_as": None, "reason": None}, {"mark_as", "reason"}),
        ({"mark_as": ["fraud"], "reason": 5}, {"mark_as", "reason"}),
        ({"mark_as": "fraud", "reason": "   "}, {"reason"}),
        ({"mark_as": "fraud", "reason": "x" * 1001}, {"reason"}),
    ],
)
async def test_a_wrong_body_names_every_wrong_field(api: Api, body: Any, wrong: set[str]) -> None:
    reply = await api.ask(BEN, "POST", "/recognitions/100/report", body)
    assert (reply.status, reply.error["code"]) == (400, "invalid_data")
    assert reply.error["message"] == "Invalid report data"
    assert set(reply.error["fields"]) == wrong


async def test_a_reason_of_exactly_a_thousand_characters_is_kept_whole(api: Api) -> None:
    reason = "\N{PARTY POPPER}" * 1000
    assert (await api.report(BEN, 100, reason=reason)).data["reason"] == reason


@pytest.mark.parametrize("recognition_id", ["0", "-1", "1.5", "abc", str(2**53), "1e3", "%00"])
async def test_what_is_no_id_is_refused_by_name(api: Api, recognition_id: str) -> None:
    reply = await api.report(BEN, recognition_id)
    assert (reply.status, set(reply.error["fields"])) == (400, {"id"})


async def test_unknown_foreign_deleted_and_hidden_are_one_answer(api: Api, world: World) -> None:
    await world.hears(given(200, STRANGER, STRANGER), GLOBEX)
    await world.hears(given(101))
    await world.hears(deleted(101))
    await world.hears(given(102))
    assert (await api.hide(MODERATOR, 102)).status == 201
    replies = await asyncio.gather(*(api.report(BEN, number) for number in (999, 200, 101, 102)))
    assert {reply.status for reply in replies} == {400}
    assert all(reply.error == replies[0].error for reply in replies)
    assert replies[0].error == {
        "code": "invalid_data",
        "message": "Invalid report data",
        "fields": {"id": "No such recognition."},
    }
    assert await world.value(REPORTS) == 0


async def test_a_recognition_whose_event_is_a_moment_late_is_found(api: Api, world: World) -> None:
    asked = asyncio.create_task(api.report(BEN, 300))
    await asyncio.sleep(0.15)
    await world.hears(given(300))
    assert (await asked).status == 201


async def test_the_second_report_by_one_person_is_refused(api: Api, world: World) -> None:
    assert (await api.report(BEN, 100)).status == 201
    again = await api.report(BEN, 100, "incorrect", "Something else")
    assert (again.status, again.error["code"]) == (422, "unprocessable_entity")
    assert await world.value(REPORTS) == 1
    assert (await api.report(CLEO, 100)).status == 201


async def test_what_oneself_gave_is_not_reported(api: Api, world: World) -> None:
    reply = await api.report(ANNA, 100)
    assert (reply.status, reply.error["code"]) == (422, "unprocessable_entity")
    assert await world.value("SELECT count(*) FROM cases") == 0


async def test_a_moderator_reports_a_hidden_recognition_and_it_stays_hidden(api: Api) -> None:
    assert (await api.hide(ADMIN, 100)).status == 201
    assert (await api.report(MODERATOR, 100)).status == 201
    assert (await api.case(100))["state"] == "hidden"


async def test_twenty_reports_at_once_by_one_person_are_one(api: Api, world: World) -> None:
    replies = await asyncio.gather(*(api.report(BEN, 100) for _ in range(20)))
    assert sorted(reply.status for reply in replies) == [201] + [422] * 19
    assert await world.value(REPORTS) == 1
    assert len(await world.told(100)) == 1


async def test_the_same_idempotency_key_reports_once_and_answers_the_same(api: Api, world: World) -> None:
    body = {"mark_as": "fraud", "reason": "x"}
    ask = [api.ask(BEN, "POST", "/recognitions/100/report", body, Idempotency_Key="k1") for _ in range(8)]
    replies = await asyncio.gather(*ask)
    assert {reply.status for reply in replies} == {201}
    assert all(reply.body == replies[0].body for reply in replies)
    assert sum("Idempotency-Replayed" in reply.headers for reply in replies) == 7
    assert await world.value(REPORTS) == 1
    other = await api.ask(
        BEN, "POST", "/recognitions/100/report", {"mark_as": "fraud", "reason": "y"}, Idempotency_Key="k1"
    )
    assert (other.status, other.error["code"]) == (422, "idempotency_key_reused")


async def test_a_kept_answer_outlives_the_recognition(api: Api, world: World) -> None:
    body = {"mark_as": "fraud", "reason": "x"}
    first = await api.ask(BEN, "POST", "/recognitions/100/report", body, Idempotency_Key="k2")
    await world.hears(deleted(100))
    again = await api.ask(BEN, "POST", "/recognitions/100/report", body, Idempotency_Key="k2")
    assert (again.status, again.body) == (201, first.body)


async def test_ids_of_reports_do_not_cross_organisations(api: Api, world: World) -> None:
    await world.hears(given(100, STRANGER, STRANGER), GLOBEX)
    assert (await api.report(BEN, 100)).status == 201
    assert await world.value(REPORTS, org_id=GLOBEX) == 0
