"""POST /recognitions/:id/review, over HTTP."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import asyncpg
import pytest

from shared.database import Database
from tests.component.moderation.world import (
    ADMIN,
    ANNA,
    BEN,
    CLEO,
    FOREIGN_ADMIN,
    MODERATOR,
    OTHER_MODERATOR,
    STRANGER,
    SUPER_ADMIN,
    Api,
    World,
    deleted,
    given,
)
from tests.support.api import ACME, GLOBEX, Caller, Reply

REVIEWS = "SELECT count(*) FROM reviews"


@pytest.fixture(autouse=True)
async def thanked(world: World) -> None:
    await world.hears(given(100, ANNA, BEN))


def changes(told: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, int]]:
    return [(name, data["version"]) for name, data in told if name != "RecognitionReported.v1"]


async def test_a_moderator_hides_and_recognition_is_told(api: Api, world: World) -> None:
    reply = await api.ask(
        MODERATOR, "POST", "/recognitions/100/review", {"is_inappropriate": True, "comment": " Not nice "}
    )
    assert reply.status == 201
    assert reply.data == {
        "id": reply.data["id"],
        "recognition_id": 100,
        "is_inappropriate": True,
        "comment": "Not nice",
        "reviewed_by": MODERATOR.user_id,
        "reviewed_at": pytest.approx(time.time(), abs=60),
    }
    assert await world.told(100) == [
        (
            "RecognitionHidden.v1",
            {
                "recognition_id": 100,
                "review_id": reply.data["id"],
                "reviewed_by": MODERATOR.user_id,
                "reviewed_at": reply.data["reviewed_at"],
                "version": 1,
            },
        )
    ]


async def test_the_newest_review_stands_every_one_is_kept_and_versions_have_no_gap(api: Api, world: World) -> None:
    for is_inappropriate in (False, True, True, False, False, True):
        assert (await api.review(MODERATOR, 100, is_inappropriate)).status == 201
    assert changes(await world.told(100)) == [
        ("RecognitionHidden.v1", 1),
        ("RecognitionRestored.v1", 2),
        ("RecognitionHidden.v1", 3),
    ]
    case = await api.case(100)
    assert [review["is_inappropriate"] for review in case["reviews"]] == [False, True, True, False, False, True]
    assert case["state"] == "hidden"


@pytest.mark.parametrize("caller", [MODERATOR, ADMIN])
async def test_moderators_and_admins_review(api: Api, caller: Caller) -> None:
    assert (await api.hide(caller, 100)).status == 201


async def test_a_super_admin_reviews_in_the_organisation_that_it_names(api: Api) -> None:
    reply = await api.ask(SUPER_ADMIN, "POST", f"/recognitions/100/review?org_id={ACME}", {"is_inappropriate": True})
    assert reply.status == 201
    nameless = await api.hide(SUPER_ADMIN, 100)
    assert (nameless.status, set(nameless.error["fields"])) == (400, {"org_id"})


@pytest.mark.parametrize("caller", [ANNA, BEN, CLEO])
async def test_an_employee_does_not_review(api: Api, world: World, caller: Caller) -> None:
    reply = await api.hide(caller, 100)
    assert (reply.status, reply.error) == (403, {"code": "access_denied", "message": "Permission required"})
    assert await world.value(REVIEWS) == 0


async def test_without_a_token_nothing_is_reviewed(api: Api) -> None:
    assert (await api.hide(None, 100)).status == 401


@pytest.mark.parametrize(("giver", "receiver"), [(MODERATOR, BEN), (ANNA, MODERATOR)])
async def test_a_moderator_does_not_review_what_they_gave_or_received(
    api: Api, world: World, giver: Caller, receiver: Caller
) -> None:
    await world.hears(given(101, giver, receiver))
    reply = await api.hide(MODERATOR, 101)
    assert (reply.status, reply.error["code"]) == (403, "access_denied")
    assert await world.value(REVIEWS) == 0
    assert (await api.hide(OTHER_MODERATOR, 101)).status == 201


@pytest.mark.parametrize("value", ["true", "false", 1, 0, None, "", [], {}, [True]])
async def test_is_inappropriate_is_a_json_boolean_and_nothing_else(api: Api, world: World, value: Any) -> None:
    reply = await api.review(MODERATOR, 100, value)
    assert (reply.status, reply.error["code"], reply.error["message"]) == (400, "invalid_data", "Invalid review data")
    assert set(reply.error["fields"]) == {"is_inappropriate"}
    assert await world.value(REVIEWS) == 0


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {"is_inappropriate"}),
        ({"is_inappropriate": True, "comment": 5}, {"comment"}),
        ({"is_inappropriate": True, "comment": "x" * 1001}, {"comment"}),
        ({"comment": []}, {"is_inappropriate", "comment"}),
    ],
)
async def test_a_wrong_body_names_every_wrong_field(api: Api, body: Any, wrong: set[str]) -> None:
    reply = await api.ask(MODERATOR, "POST", "/recognitions/100/review", body)
    assert (reply.status, set(reply.error["fields"])) == (400, wrong)


@pytest.mark.parametrize("comment", [{}, {"comment": None}, {"comment": ""}])
async def test_a_comment_is_optional(api: Api, comment: dict[str, Any]) -> None:
    reply = await api.ask(MODERATOR, "POST", "/recognitions/100/review", {"is_inappropriate": False, **comment})
    assert (reply.status, reply.data["comment"]) == (201, comment.get("comment"))


async def test_unknown_foreign_and_deleted_are_one_answer(api: Api, world: World) -> None:
    await world.hears(given(200, STRANGER, STRANGER), GLOBEX)
    await world.hears(given(101))
    await world.hears(deleted(101))
    replies = await asyncio.gather(*(api.hide(MODERATOR, number) for number in (999, 200, 101)))
    assert {reply.status for reply in replies} == {400}
    assert all(reply.error == replies[0].error for reply in replies)
    assert replies[0].error["fields"] == {"id": "No such recognition."}
    assert (await api.hide(FOREIGN_ADMIN, 100)).error == replies[0].error


async def test_a_recognition_whose_event_is_a_moment_late_is_found(api: Api, world: World) -> None:
    asked = asyncio.create_task(api.hide(MODERATOR, 300))
    await asyncio.sleep(0.15)
    await world.hears(given(300))
    assert (await asked).status == 201


async def insist(api: Api, caller: Caller, recognition_id: int, value: bool) -> Reply:
    """Asks again for as long as the service is too busy to begin, which counts nothing."""
    while (reply := await api.review(caller, recognition_id, value)).status == 503:
        assert int(reply.headers["Retry-After"]) >= 1
    return reply


async def test_two_moderators_at_once_count_without_gaps(api: Api, world: World) -> None:
    dice = random.Random(5)
    wishes = [(dice.choice([MODERATOR, OTHER_MODERATOR, ADMIN]), dice.random() < 0.5) for _ in range(40)]
    replies = await asyncio.gather(*(insist(api, caller, 100, value) for caller, value in wishes))
    assert {reply.status for reply in replies} == {201}
    told = changes(await world.told(100))
    assert [version for _, version in told] == list(range(1, len(told) + 1))
    assert [name for name, _ in told] == [
        "RecognitionHidden.v1" if version % 2 else "RecognitionRestored.v1" for _, version in told
    ]
    reviews = (await api.case(100))["reviews"]
    assert len(reviews) == 40
    assert (len(told) % 2 == 1) == reviews[-1]["is_inappropriate"]


async def test_reports_and_reviews_at_once_leave_no_open_case_hidden(api: Api, world: World) -> None:
    asks = [api.report(caller, 100) for caller in (BEN, CLEO, MODERATOR, ADMIN)]
    asks += [api.review(OTHER_MODERATOR, 100, index % 2 == 0) for index in range(10)]
    replies = await asyncio.gather(*asks)
    assert {reply.status for reply in replies} <= {201, 400}
    case = await api.case(100)
    last = changes(await world.told(100))[-1][0]
    assert (case["state"] == "hidden") == (last == "RecognitionHidden.v1")
    assert case["version"] == len(case["reports"]) + len(case["reviews"])


async def test_a_deletion_at_the_same_time_leaves_the_case_withdrawn(api: Api, world: World) -> None:
    async def delete() -> None:
        await world.hears(deleted(100))

    await asyncio.gather(delete(), *(api.report(caller, 100) for caller in (BEN, CLEO, MODERATOR)))
    assert (await api.get(MODERATOR, "/moderation/cases")).data == []
    assert await world.value("SELECT count(*) FROM cases WHERE NOT withdrawn") == 0


@pytest.mark.parametrize("table", ["reports", "reviews", "cases"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {}"])
async def test_the_service_cannot_take_anything_back(database: Database, table: str, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.transaction(ACME) as tx:
            await tx.execute(statement.format(table))


@pytest.mark.parametrize("table", ["reports", "reviews"])
async def test_the_service_cannot_rewrite_what_was_said(database: Database, table: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.transaction(ACME) as tx:
            await tx.execute(f"UPDATE {table} SET recognition_id = 1")
