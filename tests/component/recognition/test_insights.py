"""P2-1, P2-2: leaderboards, search and summaries over HTTP."""

from __future__ import annotations

import time
from typing import Any

import pytest

from shared.contracts import auth as people
from tests.component.recognition.world import (
    ADMIN,
    ANNA,
    BEN,
    CLEO,
    MODERATOR,
    STRANGER,
    SUPER_ADMIN,
    Api,
    World,
    person,
)
from tests.support.api import ACME, Caller, Reply

METRICS = ("hi5_received", "recognitions_received", "recognitions_given", "distinct_givers")


async def insight(api: Api, path: str, caller: Caller | None = ANNA, **headers: str) -> Reply:
    return await api.get(caller, f"/insights/{path}", **headers)


async def board(api: Api, metric: str, query: str = "", caller: Caller = ANNA) -> list[tuple[int, int, int]]:
    """Rank, person, value."""
    reply = await insight(api, f"leaderboard?metric={metric}{query}", caller)
    assert reply.status == 200, reply.body
    assert reply.body["status"] is True
    return [(one["rank"], one["user"]["id"], one["value"]) for one in reply.data]


async def wants(world: World, caller: Caller, *, listed: bool) -> None:
    """What a person told auth."""
    told = person(people.UserJoined, caller, "Named", next(world.versions))
    fields = {name: getattr(told, name) for name in told.SCHEMA.fields} | {"listed_in_leaderboards": listed}
    await world.hears(people.UserChanged(**fields), caller.org_id or 0)


@pytest.fixture
async def given(api: Api) -> dict[str, int]:
    """Anna thanks Ben twice and Cleo once, Ben thanks Cleo; three hi5s for Ben, one for Cleo."""
    values = {"courage": await api.new_value("Courage"), "care": await api.new_value("Care")}
    first = await api.given(ANNA, BEN, values["courage"], "For the brave release")
    await api.given(ANNA, BEN, values["care"], "For the soup")
    third = await api.given(ANNA, CLEO, values["care"], "For listening")
    await api.given(BEN, CLEO, values["care"], "For the cake")
    for giver, to in ((ANNA, first), (CLEO, first), (MODERATOR, first), (MODERATOR, third)):
        assert (await api.hi5(giver, to)).status == 201
    return {**values, "first": first, "third": third}


async def test_p2_2_each_metric_counts_its_own(api: Api, given: dict[str, int]) -> None:
    ben, cleo, anna = BEN.user_id, CLEO.user_id, ANNA.user_id
    assert await board(api, "hi5_received") == [(1, ben, 3), (2, cleo, 1)]
    assert await board(api, "recognitions_received") == [(1, ben, 2), (1, cleo, 2)]
    assert await board(api, "recognitions_given") == [(1, anna, 3), (2, ben, 1)]
    assert await board(api, "distinct_givers") == [(1, cleo, 2), (2, ben, 1)]


async def test_p2_2_ties_share_a_rank_and_the_next_one_is_left_out(api: Api, given: dict[str, int]) -> None:
    await api.given(CLEO, ANNA, given["care"])
    everybody = await board(api, "recognitions_received")
    assert [rank for rank, _, _ in everybody] == [1, 1, 3]
    assert await board(api, "recognitions_received", "&limit=1") == everybody[:1]


async def test_p2_2_a_core_value_alone(api: Api, given: dict[str, int]) -> None:
    care = f"&core_value_id={given['care']}"
    assert await board(api, "hi5_received", care) == [(1, CLEO.user_id, 1)]
    assert await board(api, "recognitions_received", care) == [(1, CLEO.user_id, 2), (2, BEN.user_id, 1)]
    assert await board(api, "distinct_givers", care) == [(1, CLEO.user_id, 2), (2, BEN.user_id, 1)]
    assert await board(api, "recognitions_given", "&core_value_id=4711") == []


async def test_p2_2_a_teams_members_alone(api: Api, world: World, given: dict[str, int]) -> None:
    await world.team(5, CLEO, MODERATOR)
    assert await board(api, "recognitions_received", "&team_id=5") == [(1, CLEO.user_id, 2)]
    assert await board(api, "recognitions_received", "&team_id=6") == []


async def test_p2_2_a_person_is_shown_by_their_card(api: Api, given: dict[str, int]) -> None:
    [first, *_] = (await insight(api, "leaderboard?metric=hi5_received")).data
    assert first == {
        "rank": 1,
        "user": {
            "id": BEN.user_id,
            "first_name": "Ben",
            "last_name": "Tester",
            "display_name": "Ben T.",
            "profile_image_url": None,
        },
        "value": 3,
    }


async def test_p2_2_who_opted_out_is_not_listed_and_leaves_no_gap(
    api: Api, world: World, given: dict[str, int]
) -> None:
    await wants(world, BEN, listed=False)
    assert await board(api, "hi5_received") == [(1, CLEO.user_id, 1)]
    assert await board(api, "distinct_givers") == [(1, CLEO.user_id, 2)]
    await wants(world, BEN, listed=True)
    assert await board(api, "hi5_received") == [(1, BEN.user_id, 3), (2, CLEO.user_id, 1)]


async def test_p2_2_who_left_is_not_listed(api: Api, world: World, given: dict[str, int]) -> None:
    await world.leaves(BEN)
    assert await board(api, "hi5_received") == [(1, CLEO.user_id, 1)]


async def test_p2_2_nobody_is_listed_before_it_is_known_whether_they_want_to(api: Api, world: World) -> None:
    newcomer = Caller(4711)
    await api.given(newcomer, BEN, await api.new_value())
    assert await board(api, "recognitions_given") == []
    await world.joins(newcomer)
    assert await board(api, "recognitions_given") == [(1, newcomer.user_id, 1)]


async def test_p2_2_hidden_and_taken_back_do_not_count(api: Api, world: World, given: dict[str, int]) -> None:
    await world.hides(given["first"], 1)
    assert await board(api, "hi5_received") == [(1, CLEO.user_id, 1)]
    assert await board(api, "recognitions_given") == [(1, ANNA.user_id, 2), (2, BEN.user_id, 1)]
    await world.restores(given["first"], 2)
    assert await board(api, "hi5_received") == [(1, CLEO.user_id, 1)], "these hi5s are void for good"
    assert await board(api, "recognitions_given") == [(1, ANNA.user_id, 3), (2, BEN.user_id, 1)]
    assert (await api.ask(ADMIN, "DELETE", f"/recognitions/{given['third']}")).status == 204
    assert await board(api, "hi5_received") == []
    assert await board(api, "distinct_givers") == [(1, BEN.user_id, 1), (1, CLEO.user_id, 1)]


async def test_p2_2_from_and_to_say_the_time(api: Api, world: World, given: dict[str, int]) -> None:
    await world.rows("UPDATE recognitions SET version = version")
    now = int(time.time())
    assert await board(api, "recognitions_given", f"&from={now - 3600}&to={now + 3600}") != []
    assert await board(api, "recognitions_given", f"&from={now + 3600}") == []
    assert await board(api, "recognitions_given", f"&to={now - 3600}") == []
    assert len(await board(api, "recognitions_given", f"&to={now + 3600}")) == 2


@pytest.mark.parametrize("period", ["day", "week", "month", "quarter", "year", "all"])
async def test_p2_2_every_running_period_has_what_was_given_just_now(
    api: Api, given: dict[str, int], period: str
) -> None:
    for metric in METRICS:
        assert len(await board(api, metric, f"&period={period}")) == 2
    summary = (await insight(api, f"summary?period={period}")).data
    assert summary == {
        "period": period,
        "recognitions": 4,
        "hi5s": 4,
        "distinct_givers": 2,
        "distinct_receivers": 2,
        "core_values": [
            {"core_value": {"id": given["care"], "text": "Care"}, "recognitions": 3, "hi5s": 1},
            {"core_value": {"id": given["courage"], "text": "Courage"}, "recognitions": 1, "hi5s": 3},
        ],
    }


WRONG: dict[str, tuple[str, str]] = {
    "no metric": ("leaderboard", "metric"),
    "unknown metric": ("leaderboard?metric=most", "metric"),
    "unknown period": ("leaderboard?metric=hi5_received&period=decade", "period"),
    "two times": ("leaderboard?metric=hi5_received&period=day&from=1", "period"),
    "backwards": ("leaderboard?metric=hi5_received&from=2&to=2", "to"),
    "beyond all calendars": (f"leaderboard?metric=hi5_received&to={2**53 - 1}", "to"),
    "limit": ("leaderboard?metric=hi5_received&limit=101", "limit"),
    "a team's id": ("leaderboard?metric=hi5_received&team_id=x", "team_id"),
    "no words": ("search", "q"),
    "empty words": ("search?q=%20", "q"),
    "nul": ("search?q=%00", "q"),
    "summary": ("summary?period=2024", "period"),
    "form": ("campaigns/1/thermometer?format=png", "format"),
    "campaign's id": ("campaigns/x/thermometer", "id"),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
async def test_p2_1_what_is_wrong_is_said_in_a_sentence(api: Api, wrong: tuple[str, str]) -> None:
    path, field = wrong
    reply = await insight(api, path)
    assert reply.status == 400
    assert set(reply.body) == {"status", "error"}
    assert reply.body["status"] is False
    assert f"({field}: " in reply.body["error"]


async def test_p2_1_the_status_says_it_too(api: Api, given: dict[str, int]) -> None:
    nobody = await insight(api, "summary", None)
    assert (nobody.status, nobody.body) == (401, {"status": False, "error": "unauthorized user"})
    unknown = await insight(api, "campaigns/4711/thermometer")
    assert (unknown.status, unknown.body) == (404, {"status": False, "error": "Campaign not found"})
    elsewhere = await insight(api, "summary", ANNA, X_Org_Id="2")
    assert (elsewhere.status, elsewhere.body) == (403, {"status": False, "error": "Permission required"})


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_p2_1_insights_are_read_only(api: Api, method: str) -> None:
    for path in ("leaderboard", "search", "summary", "campaigns/1/thermometer"):
        reply = await api.ask(ANNA, method, f"/insights/{path}", {})
        assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")


async def test_p2_1_the_same_again_is_not_sent_again(api: Api, given: dict[str, int]) -> None:
    tag = (await insight(api, "leaderboard?metric=hi5_received")).headers["ETag"]
    assert (await insight(api, "leaderboard?metric=hi5_received", If_None_Match=tag)).status == 304
    await api.hi5(BEN, given["third"])
    assert (await insight(api, "leaderboard?metric=hi5_received", If_None_Match=tag)).status == 200


async def test_p2_2_another_organisation_has_its_own(api: Api, world: World, given: dict[str, int]) -> None:
    for metric in METRICS:
        assert await board(api, metric, caller=STRANGER) == []
        assert await board(api, metric, f"&core_value_id={given['care']}", caller=STRANGER) == []
    assert (await insight(api, "summary", STRANGER)).data["recognitions"] == 0
    assert (await insight(api, "search?q=soup", STRANGER)).data == []
    assert (await insight(api, "summary", SUPER_ADMIN, X_Org_Id=str(ACME))).data["recognitions"] == 4


async def test_p2_2_search_finds_all_the_words_and_marks_them(api: Api, given: dict[str, int]) -> None:
    [found] = (await insight(api, "search?q=BRAVE%20for")).data
    assert found["recognition"]["id"] == given["first"]
    assert found["recognition"]["text"] == "For the brave release"
    assert found["highlight"] == "<mark>For</mark> the <mark>brave</mark> release"
    assert (await insight(api, "search?q=brave%20soup")).data == []
    assert (await insight(api, "search?q=!!!")).data == []
    assert len((await insight(api, "search?q=for")).data) == 4
    assert len((await insight(api, "search?q=for&limit=3")).data) == 3


async def test_p2_2_search_ranks_the_densest_first(api: Api) -> None:
    value = await api.new_value()
    once = await api.given(ANNA, BEN, value, "Thanks for the long and thorough tests of everything, and for the cake")
    thrice = await api.given(ANNA, BEN, value, "Cake, cake, cake")
    found = (await insight(api, "search?q=cake")).data
    assert [one["recognition"]["id"] for one in found] == [thrice, once]
    assert found[0]["rank"] > found[1]["rank"]


HOSTILE = {
    "script": "<script>alert(1)</script> soup & \"quotes\" 'too'",
    "a mark of its own": "</mark><img src=x onerror=alert(1)> soup <mark>",
    "the marks that stand for them": "soup \x02b\x03 <b> \x03soup\x02",
    "an entity": "&lt;b&gt; soup &amp;amp;",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
async def test_p2_2_nothing_of_a_text_is_markup(api: Api, text: str) -> None:
    await api.given(ANNA, BEN, await api.new_value(), text)
    [found] = (await insight(api, "search?q=soup")).data
    rest: Any = found["highlight"].replace("<mark>soup</mark>", "")
    assert "<mark>soup</mark>" in found["highlight"]
    assert not set(rest) & set("<>\"'\x02\x03")


async def test_p2_2_search_does_not_find_what_is_hidden(api: Api, world: World, given: dict[str, int]) -> None:
    await world.hides(given["first"], 1)
    assert (await insight(api, "search?q=brave")).data == []
