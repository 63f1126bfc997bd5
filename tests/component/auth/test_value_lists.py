"""Value lists (TM-11): the words that an organisation chooses from."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contracts.value_lists import ValueListChanged
from tests.component.auth.world import World

PATH = "/valuelists"
LOCKED = {"name": "report_reasons", "values": ["fraud", "not_relevant", "incorrect"], "locked": True}
PROFILE = {"first_name": "Emil", "last_name": "Tester", "display_name": "Emil"}


async def made(world: World, name: str, *values: str) -> None:
    reply = await world.post("ada", PATH, {"name": name, "values": values})
    assert (reply.status, reply.data) == (201, {"name": name, "values": list(values), "locked": False})


async def test_tm11_at_the_start_there_are_only_the_locked_report_reasons(world: World) -> None:
    for who in ("ada", "mona", "emil", "gina"):
        listed = await world.get(who, PATH)
        assert (listed.data, listed.meta["total"]) == ([LOCKED], 1)
        assert (await world.get(who, f"{PATH}/report_reasons")).data == LOCKED


async def test_tm11_a_locked_list_stays_as_it_is(world: World) -> None:
    path = f"{PATH}/report_reasons"
    assert (await world.put("ada", path, {"values": ["other"]})).code == (409, "conflict")
    assert (await world.delete("ada", path)).code == (409, "conflict")
    reply = await world.post("ada", PATH, {"name": "report_reasons", "values": []})
    assert (reply.code, set(reply.error["fields"])) == ((409, "conflict"), {"name"})
    assert (await world.get("ada", path)).data == LOCKED
    assert await world.told(ValueListChanged) == []


async def test_tm11_a_list_is_made_read_changed_and_removed(world: World) -> None:
    await made(world, "colours", "Red", "Blue", "Ämber")
    assert [one["name"] for one in (await world.get("emil", PATH)).data] == ["colours", "report_reasons"]
    path = f"{PATH}/colours"
    shown = await world.get("emil", path)
    assert shown.data["values"] == ["Red", "Blue", "Ämber"]
    assert (await world.get("emil", path, If_None_Match=shown.headers["ETag"])).status == 304
    changed = await world.put("ada", path, {"values": [" Blue ", "Red"]}, If_Match=shown.headers["ETag"])
    assert (changed.status, changed.data) == (200, {"name": "colours", "values": ["Blue", "Red"], "locked": False})
    stale = {"If_Match": shown.headers["ETag"]}
    assert (await world.put("ada", path, {"values": []}, **stale)).code == (412, "version_mismatch")
    assert (await world.delete("ada", path, **stale)).code == (412, "version_mismatch")
    assert (await world.delete("ada", path)).status == 204
    assert (await world.get("ada", PATH)).data == [LOCKED]


async def test_tm11_every_change_is_told_and_versions_never_go_back(world: World) -> None:
    await made(world, "colours", "Red")
    await world.put("ada", f"{PATH}/colours", {"values": ["Red", "Blue"]})
    await world.put("ada", f"{PATH}/colours", {"values": ["Red", "Blue"]})
    await world.delete("ada", f"{PATH}/colours")
    await made(world, "colours", "Green")
    told = await world.told(ValueListChanged, org_id=world.acme, name="colours")
    assert [(event["version"], event["state"], event["values"]) for event in told] == [
        (1, "kept", ["Red"]), (2, "kept", ["Red", "Blue"]), (3, "removed", []), (4, "kept", ["Green"]),
    ]  # fmt: skip


async def test_tm11_a_name_is_taken_once_in_each_organisation(world: World) -> None:
    await made(world, "colours", "Red")
    again = await world.post("abe", PATH, {"name": "colours", "values": []})
    assert (again.code, set(again.error["fields"])) == ((409, "conflict"), {"name"})
    assert (await world.get("gina", f"{PATH}/colours")).code == (404, "not_found")
    theirs = await world.post("gus", PATH, {"name": "colours", "values": ["Black"]})
    assert theirs.status == 201
    assert (await world.get("emil", f"{PATH}/colours")).data["values"] == ["Red"]


async def test_tm11_unknown_lists(world: World) -> None:
    for who, path in (("ada", f"{PATH}/none"), ("ada", f"{PATH}/No%20Name")):
        assert (await world.get(who, path)).code == (404, "not_found")
        assert (await world.delete(who, path)).code == (404, "not_found")
        reply = await world.put(who, path, {"values": []})
        assert (reply.status, set(reply.error["fields"])) == (400, {"name"})


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name", "values"}), ({"name": "", "values": []}, {"name"}), ({"name": "Big", "values": []}, {"name"}),
        ({"name": "1st", "values": []}, {"name"}), ({"name": "a" * 51, "values": []}, {"name"}),
        ({"name": "a b", "values": []}, {"name"}), ({"name": "a", "values": "One"}, {"values"}),
        ({"name": "a", "values": [""]}, {"values"}), ({"name": "a", "values": ["x" * 101]}, {"values"}),
        ({"name": "a", "values": [1]}, {"values"}), ({"name": "a", "values": [None]}, {"values"}),
        ({"name": "a", "values": ["One", "oNE "]}, {"values"}),
        ({"name": "a", "values": ["Straße", "STRASSE"]}, {"values"}),
        ({"name": "a", "values": [str(number) for number in range(1001)]}, {"values"}),
    ],
)  # fmt: skip
async def test_tm11_what_is_no_list_is_refused(world: World, body: dict[str, Any], fields: set[str]) -> None:
    reply = await world.post("ada", PATH, body)
    assert (reply.status, set(reply.error["fields"])) == (400, fields)


async def test_tm11_a_thousand_values_keep_their_order(world: World) -> None:
    values = [f"{number} " + "x" * 90 for number in range(1000, 0, -1)]
    await made(world, "a" * 50, *values)
    assert (await world.get("emil", f"{PATH}/{'a' * 50}")).data["values"] == values


async def test_tm11_two_hundred_lists_are_enough(world: World) -> None:
    for number in range(199):
        await made(world, f"list-{number}")
    assert (await world.post("ada", PATH, {"name": "more", "values": []})).code == (409, "conflict")


async def test_tm11_only_admins_write(world: World) -> None:
    await made(world, "colours", "Red")
    for method, path in (("POST", PATH), ("PUT", f"{PATH}/colours"), ("DELETE", f"{PATH}/colours")):
        body = {"name": "mine", "values": []}
        assert (await world.ask(None, method, path, body)).status == 401
        for who in ("mona", "emil"):
            assert (await world.ask(who, method, path, body)).code == (403, "access_denied")


async def test_tm11_changes_are_in_the_organisations_history(world: World) -> None:
    await made(world, "colours", "Red")
    await world.delete("ada", f"{PATH}/colours")
    entries = (await world.get("ada", f"/organisations/{world.acme}/historylog")).data
    actions = [one["action"] for one in entries if one["action"].startswith("value_list")]
    assert actions == ["value_list_deleted", "value_list_created"]
    assert {one["actor"] for one in entries[:2]} == {world.id_of("ada")}


async def test_tm11_a_department_is_one_of_the_list_where_there_is_one(world: World) -> None:
    free = await world.put("emil", "/users/me", PROFILE | {"department": "Anything"})
    assert free.data["department"] == "Anything"
    await made(world, "departments", "Sales", "Research")
    refused = await world.put("emil", "/users/me", PROFILE | {"department": "sales"})
    assert (refused.status, set(refused.error["fields"])) == (400, {"department"})
    assert (await world.put("emil", "/users/me", PROFILE)).data["department"] == "Anything"
    assert (await world.put("emil", "/users/me", PROFILE | {"department": "Sales"})).data["department"] == "Sales"
    assert (await world.put("emil", "/users/me", PROFILE | {"department": None})).data["department"] is None
    assert (await world.put("gina", "/users/me", PROFILE | {"department": "sales"})).status == 200
    await world.delete("ada", f"{PATH}/departments")
    assert (await world.put("emil", "/users/me", PROFILE | {"department": "sales"})).status == 200


@pytest.mark.parametrize("values", [["Red\nBlue"], ["\u202eRed"], ["Re\u2028d"], ["e\u0301", "É"], ["ﬁne", "FINE"]])
async def test_tm11_values_are_single_lines_and_none_is_there_twice(world: World, values: list[str]) -> None:
    reply = await world.post("ada", PATH, {"name": "colours", "values": values})
    assert (reply.status, set(reply.error["fields"])) == (400, {"values"})


@pytest.mark.parametrize("values", [["fraud"], ["Spam", " FRAUD"], ["Not_Relevant"]])
async def test_tm11_reasons_that_everybody_has_are_no_further_ones(world: World, values: list[str]) -> None:
    made_so = await world.post("ada", PATH, {"name": "custom_report_reasons", "values": values})
    assert (made_so.status, set(made_so.error["fields"])) == (400, {"values"})
    await made(world, "custom_report_reasons", "Spam")
    changed = await world.put("ada", f"{PATH}/custom_report_reasons", {"values": values})
    assert (changed.status, set(changed.error["fields"])) == (400, {"values"})
    await made(world, "colours", *[one.strip() for one in values])
