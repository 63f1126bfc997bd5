"""Reasons for a report that an organisation adds (TM-11): as auth tells of them."""

from __future__ import annotations

import pytest

from shared.contracts.value_lists import ValueListChanged, ValueListState
from tests.component.moderation.world import ANNA, BEN, CLEO, MODERATOR, Api, World, given
from tests.support.api import ACME, GLOBEX


@pytest.fixture(autouse=True)
async def thanked(world: World) -> None:
    await world.hears(given(100, ANNA, BEN))


async def hears(
    world: World,
    version: int,
    *values: str,
    name: str = "custom_report_reasons",
    org_id: int = ACME,
    state: ValueListState = "kept",
) -> None:
    assert (
        await world.hears(ValueListChanged(name=name, values=values, state=state, version=version), org_id) == "handled"
    )


async def test_tm11_a_value_of_the_organisations_list_is_a_reason(world: World, api: Api) -> None:
    await hears(world, 1, "Too long", "Off topic")
    reply = await api.report(CLEO, 100, "Off topic")
    assert (reply.status, reply.data["mark_as"]) == (201, "Off topic")
    assert (await api.report(MODERATOR, 100, "fraud")).status == 201
    assert {one["mark_as"] for one in (await api.case(100))["reports"]} == {"Off topic", "fraud"}


async def test_tm11_other_words_are_no_reasons(world: World, api: Api) -> None:
    await hears(world, 1, "Off topic")
    await hears(world, 1, "Sales", name="departments")
    await hears(world, 1, "Theirs", org_id=GLOBEX)
    for mark in ("off topic", "Sales", "Theirs", "boring"):
        reply = await api.report(CLEO, 100, mark)
        assert (reply.status, set(reply.error["fields"])) == (400, {"mark_as"})


async def test_tm11_the_newest_list_stands(world: World, api: Api) -> None:
    await hears(world, 2, "New")
    await hears(world, 1, "Old")
    assert (await api.report(CLEO, 100, "Old")).status == 400
    await hears(world, 3, state="removed")
    assert (await api.report(CLEO, 100, "New")).status == 400
    assert (await api.report(CLEO, 100, "incorrect")).status == 201
