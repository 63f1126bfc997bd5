"""P2-2: how far a campaign is, as JSON and as a picture."""

from __future__ import annotations

import time
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.component.recognition.test_insights import board, insight
from tests.component.recognition.world import ADMIN, ANNA, BEN, CLEO, STRANGER, Api, World

GOALS = {"recognitions": 3, "hi5s": 1, "distinct_receivers": 2}


async def campaign(api: Api, **changes: Any) -> int:
    now = int(time.time())
    body = {"name": "Spring", "starts_at": now - 60, "ends_at": now + 3600, "goal_metric": "recognitions"}
    made = await api.ask(ADMIN, "POST", "/campaigns", {**body, "goal_target": 4, **changes})
    assert made.status == 201, made.body
    return int(made.data["id"])


@pytest.fixture
async def values(api: Api) -> list[int]:
    values = [await api.new_value("Courage"), await api.new_value("Care")]
    first = await api.given(ANNA, BEN, values[0])
    await api.given(ANNA, BEN, values[1])
    await api.given(ANNA, CLEO, values[1])
    await api.hi5(CLEO, first)
    return values


@pytest.mark.parametrize(("goal", "reached"), GOALS.items())
async def test_p2_2_a_goal_of_each_kind(api: Api, values: list[int], goal: str, reached: int) -> None:
    made = await campaign(api, goal_metric=goal)
    shown = (await insight(api, f"campaigns/{made}/thermometer")).data
    assert shown == {"metric": goal, "target": 4, "value": reached, "percent": 25 * reached}


async def test_p2_2_core_values_teams_and_time_count(api: Api, world: World, values: list[int]) -> None:
    await world.team(5, CLEO)
    now = int(time.time())
    expected: tuple[tuple[dict[str, Any], int], ...] = (
        ({"core_value_ids": values[:1]}, 1),
        ({"team_ids": [5]}, 1),
        ({"core_value_ids": values[:1], "team_ids": [5]}, 0),
        ({"starts_at": now + 60}, 0),
        ({"starts_at": now - 3600, "ends_at": now - 60}, 0),
    )
    for number, (changes, reached) in enumerate(expected):
        made = await campaign(api, name=f"Drive {number}", **changes)
        assert (await insight(api, f"campaigns/{made}/thermometer")).data["value"] == reached, changes


async def test_p2_2_a_leaderboard_of_a_campaign(api: Api, world: World, values: list[int]) -> None:
    await world.team(5, CLEO)
    made = await campaign(api, core_value_ids=values[1:], team_ids=[5])
    cleo, anna = CLEO.user_id, ANNA.user_id
    assert await board(api, "recognitions_received", f"&campaign_id={made}") == [(1, cleo, 1)]
    assert await board(api, "recognitions_given", f"&campaign_id={made}") == [(1, anna, 1)]
    for nothing in (f"&core_value_id={values[0]}", "&to=1000", "&team_id=6"):
        assert await board(api, "recognitions_received", f"&campaign_id={made}{nothing}") == []


@pytest.mark.parametrize(
    ("query", "accept", "form"),
    [
        ("", "image/svg+xml", "svg"),
        ("", "text/html, image/SVG+xml;q=0.9", "svg"),
        ("?format=svg", "application/json", "svg"),
        ("?format=json", "image/svg+xml", "json"),
        ("", "*/*", "json"),
        ("", "image/*", "json"),
    ],
)
async def test_p2_2_a_picture_for_who_asks_for_one(
    api: Api, values: list[int], query: str, accept: str, form: str
) -> None:
    made = await campaign(api, name="Spring <cleaning> & more")
    reply = await insight(api, f"campaigns/{made}/thermometer{query}", Accept=accept)
    assert reply.status == 200
    assert "Accept" in reply.headers["Vary"]
    if form == "json":
        assert reply.data["percent"] == 75
        return
    assert reply.headers["Content-Type"] == "image/svg+xml; charset=utf-8"
    assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
    words = "".join(ET.fromstring(reply.raw).itertext())  # noqa: S314 - our own
    assert "Spring <cleaning> & more: 3 of 4 recognitions (75 %)" in words


async def test_p2_2_anothers_campaign_is_as_one_that_never_was(api: Api, values: list[int]) -> None:
    made = await campaign(api)
    foreign = await insight(api, f"campaigns/{made}/thermometer", STRANGER)
    unknown = await insight(api, "campaigns/4711/thermometer", STRANGER)
    assert (foreign.status, foreign.raw) == (404, unknown.raw)
    assert await board(api, "recognitions_received", f"&campaign_id={made}", STRANGER) == []
