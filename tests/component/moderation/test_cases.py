"""GET /moderation/cases and one case, over HTTP."""

from __future__ import annotations

import time
from typing import Any

import pytest

from services.moderation.queries import CASES
from shared.database import Database
from tests.component.moderation.world import (
    ADMIN,
    ANNA,
    BEN,
    CLEO,
    FOREIGN_ADMIN,
    GIVEN_AT,
    MODERATOR,
    STRANGER,
    SUPER_ADMIN,
    Api,
    World,
    changed,
    deleted,
    given,
)
from tests.support.api import ACME, GLOBEX, Caller


def card(caller: Caller, name: str) -> dict[str, Any]:
    return {
        "id": caller.user_id,
        "first_name": name,
        "last_name": "Tester",
        "display_name": f"{name} T.",
        "profile_image_url": None,
    }


async def listed(api: Api, query: str = "", caller: Caller = MODERATOR) -> list[int]:
    reply = await api.get(caller, f"/moderation/cases{query}")
    assert reply.status == 200, reply.body
    return [case["recognition_id"] for case in reply.data]


@pytest.fixture
async def six_cases(api: Api, world: World) -> None:
    """1 and 2 open, 3 and 4 hidden, 5 and 6 dismissed, in this order."""
    for number in range(1, 7):
        await world.hears(given(number))
        assert (await api.report(BEN, number)).status == 201
    for number in (3, 4):
        assert (await api.hide(MODERATOR, number)).status == 201
    for number in (5, 6):
        assert (await api.dismiss(MODERATOR, number)).status == 201


async def test_a_case_tells_everything_about_it(api: Api, world: World) -> None:
    await world.hears(given(100))
    report = (await api.report(CLEO, 100, "incorrect", "It was Mo who did it")).data
    review = (await api.dismiss(ADMIN, 100)).data
    case = await api.case(100)
    assert case == {
        "recognition_id": 100,
        "state": "dismissed",
        "opened_at": pytest.approx(time.time(), abs=60),
        "age": pytest.approx(0, abs=60),
        "version": 2,
        "recognition": {
            "id": 100,
            "text": "Well done",
            "core_value_id": 5,
            "given_by": ANNA.user_id,
            "given_for": BEN.user_id,
            "given_at": GIVEN_AT,
            "given_by_user": card(ANNA, "Anna"),
            "given_for_user": card(BEN, "Ben"),
            "deleted": False,
        },
        "reports": [
            {
                "id": report["id"],
                "mark_as": "incorrect",
                "reason": "It was Mo who did it",
                "reported_by": CLEO.user_id,
                "reported_by_user": card(CLEO, "Cleo"),
                "reported_at": report["reported_at"],
            }
        ],
        "reviews": [
            {
                "id": review["id"],
                "is_inappropriate": False,
                "comment": None,
                "reviewed_by": ADMIN.user_id,
                "reviewed_by_user": card(ADMIN, "Ada"),
                "reviewed_at": review["reviewed_at"],
            }
        ],
    }
    [listed] = (await api.get(ADMIN, "/moderation/cases")).data
    assert listed | {"age": case["age"]} == case


async def test_people_who_are_not_known_yet_have_a_card_without_a_name(api: Api, world: World) -> None:
    newcomer = Caller(77, MODERATOR.role, ACME)
    await world.hears(given(100))
    assert (await api.hide(newcomer, 100)).status == 201
    empty = {"id": 77, "first_name": "", "last_name": "", "display_name": "", "profile_image_url": None}
    assert (await api.case(100))["reviews"][0]["reviewed_by_user"] == empty


async def test_states_follow_reports_and_reviews(api: Api, world: World) -> None:
    await world.hears(given(100))
    assert (await api.get(MODERATOR, "/moderation/cases/100")).status == 404
    states = []
    for step in (api.report(BEN, 100), api.dismiss(MODERATOR, 100), api.report(CLEO, 100), api.hide(MODERATOR, 100)):
        assert (await step).status == 201
        states.append((await api.case(100))["state"])
    assert states == ["open", "dismissed", "open", "hidden"]


@pytest.mark.usefixtures("six_cases")
async def test_open_ones_come_first_then_the_newest_decision(api: Api) -> None:
    assert await listed(api) == [1, 2, 6, 5, 4, 3]


@pytest.mark.usefixtures("six_cases")
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("open", [1, 2]),
        ("hidden", [4, 3]),
        ("dismissed", [6, 5]),
        ("open,hidden", [1, 2, 4, 3]),
        ("hidden,open", [1, 2, 4, 3]),
        ("dismissed,%20hidden", [6, 5, 4, 3]),
        ("open,open", [1, 2]),
    ],
)
async def test_the_status_takes_one_or_several(api: Api, status: str, expected: list[int]) -> None:
    assert await listed(api, f"?status={status}") == expected


@pytest.mark.parametrize("query", ["status=closed", "status=", "status=open,", "status=open&status=hidden"])
async def test_a_wrong_status_is_refused_by_name(api: Api, query: str) -> None:
    reply = await api.get(MODERATOR, f"/moderation/cases?{query}")
    assert (reply.status, set(reply.error["fields"])) == (400, {"status"})


@pytest.mark.usefixtures("six_cases")
async def test_pages_by_cursor_hold_each_case_once(api: Api) -> None:
    path, seen = "/moderation/cases?limit=2", []
    for _ in range(4):
        reply = await api.get(MODERATOR, path)
        seen += [case["recognition_id"] for case in reply.data]
        if "next_cursor" not in reply.body["meta"]:
            break
        path = f"/moderation/cases?limit=2&cursor={reply.body['meta']['next_cursor']}"
        assert 'rel="next"' in reply.headers["Link"]
    assert seen == [1, 2, 6, 5, 4, 3]


@pytest.mark.usefixtures("six_cases")
async def test_pages_by_offset_and_by_number_are_the_same(api: Api) -> None:
    assert await listed(api, "?limit=2&offset=2") == [6, 5]
    assert await listed(api, "?page_size=2&page=2") == [6, 5]
    assert await listed(api, "?offset=6") == []
    reply = await api.get(MODERATOR, "/moderation/cases?limit=2&offset=2&total=true&status=open,dismissed")
    assert reply.body["meta"]["total"] == 4


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "offset=-1", "cursor=abc", "limit=x"])
async def test_a_wrong_page_is_refused_by_name(api: Api, query: str) -> None:
    reply = await api.get(MODERATOR, f"/moderation/cases?{query}")
    assert (reply.status, set(reply.error["fields"])) == (400, {query.split("=", maxsplit=1)[0]})


@pytest.mark.parametrize("path", ["/moderation/cases", "/moderation/cases/100"])
async def test_who_may_look(api: Api, world: World, path: str) -> None:
    await world.hears(given(100))
    assert (await api.report(BEN, 100)).status == 201
    statuses = {}
    for caller in (None, BEN, MODERATOR, ADMIN, SUPER_ADMIN):
        statuses[caller] = (await api.get(caller, path)).status
    assert statuses == {None: 401, BEN: 403, MODERATOR: 200, ADMIN: 200, SUPER_ADMIN: 400}
    assert (await api.get(SUPER_ADMIN, f"{path}?org_id={ACME}")).status == 200


async def test_another_organisations_case_is_as_one_that_never_was(api: Api, world: World) -> None:
    await world.hears(given(100))
    assert (await api.report(BEN, 100)).status == 201
    foreign = await api.get(FOREIGN_ADMIN, "/moderation/cases/100")
    unknown = await api.get(FOREIGN_ADMIN, "/moderation/cases/999")
    assert (foreign.status, foreign.error) == (404, {"code": "not_found", "message": "Case not found"})
    assert foreign.body == unknown.body
    assert await listed(api, caller=FOREIGN_ADMIN) == []


async def test_the_same_recognition_id_in_two_organisations_is_two_cases(api: Api, world: World) -> None:
    await world.hears(given(100, text="Ours"))
    await world.hears(given(100, STRANGER, STRANGER, text="Theirs"), GLOBEX)
    assert (await api.hide(FOREIGN_ADMIN, 100)).status == 201
    assert (await api.report(BEN, 100)).status == 201
    assert (await api.case(100))["recognition"]["text"] == "Ours"
    assert (await api.get(FOREIGN_ADMIN, "/moderation/cases/100")).data["recognition"]["text"] == "Theirs"


async def test_the_case_of_a_deleted_recognition_leaves_the_list(api: Api, world: World) -> None:
    await world.hears(given(100))
    assert (await api.report(BEN, 100)).status == 201
    await world.hears(deleted(100))
    assert await listed(api) == []
    case = await api.case(100)
    assert (case["recognition"]["deleted"], len(case["reports"])) == (True, 1)


async def test_a_case_shows_the_text_as_it_is_now(api: Api, world: World) -> None:
    await world.hears(given(100))
    assert (await api.report(BEN, 100)).status == 201
    await world.hears(changed(100, "Very well done"))
    assert (await api.case(100))["recognition"]["text"] == "Very well done"


async def test_a_case_has_an_entity_tag_with_its_version(api: Api, world: World) -> None:
    await world.hears(given(100))
    assert (await api.report(BEN, 100)).status == 201
    reply = await api.get(MODERATOR, "/moderation/cases/100")
    assert reply.headers["ETag"].startswith('"1.')


STATES_WITH_COUNTS = {"open": 300, "hidden": 5000, "dismissed": 5000}

FILL = """
INSERT INTO cases (recognition_id, state, opened_at, decided_at, version)
SELECT number + $4, $1, now() - number * interval '1 minute',
    CASE WHEN $1 <> 'open' THEN now() - number * interval '30 seconds' END, 1
FROM generate_series(1, $3::bigint) AS number WHERE $2::bigint = tenant()
"""


async def test_every_filter_uses_the_index_as_the_service_sees_it(database: Database) -> None:
    async with database.transaction(ACME) as tx:
        for place, (state, count) in enumerate(STATES_WITH_COUNTS.items()):
            await tx.execute(FILL, state, ACME, count, place * 1_000_000)
    for states in (["open"], ["hidden"], ["open", "hidden", "dismissed"]):
        async with database.transaction(ACME, read_only=True) as tx:
            rows = await tx.fetch(f"EXPLAIN {CASES}", states, 0, 0, 0, 21)
        plan = "\n".join(row[0] for row in rows)
        assert "Index Scan using cases_queue" in plan
        assert "Seq Scan on cases" not in plan
