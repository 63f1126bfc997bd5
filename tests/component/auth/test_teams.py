"""Teams (TM-5): people under a name, with the five verbs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.contracts.teams import TeamChanged
from tests.component.auth.world import World

PATH = "/teams"


async def begun(world: World, name: str = "Night shift", **fields: Any) -> dict[str, Any]:
    reply = await world.post("ada", PATH, {"name": name, **fields})
    assert reply.status == 201, reply.raw
    return dict(reply.data)


async def test_tm5_a_team_is_begun_read_and_listed(world: World) -> None:
    emil, mona = world.id_of("emil"), world.id_of("mona")
    team = await begun(world, member_ids=[mona, emil], lead_id=emil)
    assert team == {"id": team["id"], "name": "Night shift", "member_ids": [mona, emil], "lead_id": emil}
    empty = await begun(world, "Empty")
    assert (empty["member_ids"], empty["lead_id"]) == ([], None)
    shown = await world.get("emil", f"{PATH}/{team['id']}")
    assert shown.data == team
    assert (await world.get("emil", f"{PATH}/{team['id']}", If_None_Match=shown.headers["ETag"])).status == 304
    listed = await world.get("emil", f"{PATH}?limit=1&total=true")
    assert (listed.data, listed.meta["total"]) == ([team], 2)
    following = await world.get("emil", f"{PATH}?cursor={listed.meta['next_cursor']}")
    assert following.data == [empty]


async def test_tm5_put_sets_all_and_patch_what_is_named(world: World) -> None:
    emil, mona = world.id_of("emil"), world.id_of("mona")
    team = await begun(world, member_ids=[emil], lead_id=emil)
    path = f"{PATH}/{team['id']}"
    tag = (await world.get("ada", path)).headers["ETag"]
    patched = await world.ask("ada", "PATCH", path, {"member_ids": [mona]}, If_Match=tag)
    assert (patched.status, patched.data) == (200, team | {"member_ids": [mona]})
    merge = {"Content_Type": "application/merge-patch+json"}
    without = await world.ask("ada", "PATCH", path, {"lead_id": None}, **merge)
    assert without.data == team | {"member_ids": [mona], "lead_id": None}
    assert (await world.ask("ada", "PATCH", path, {"member_ids": None})).data["member_ids"] == []
    put = await world.put("ada", path, {"name": "NIGHT SHIFT", "member_ids": [emil]})
    assert (put.status, put.data) == (200, {**team, "name": "NIGHT SHIFT", "member_ids": [emil], "lead_id": None})
    for method in ("PUT", "PATCH", "DELETE"):
        stale = await world.ask("ada", method, path, {"name": "X"}, If_Match=tag)
        assert stale.code == (412, "version_mismatch")
    assert (await world.delete("ada", path)).status == 204
    assert (await world.get("ada", path)).code == (404, "not_found")


async def test_tm5_every_change_is_told_and_kept_in_the_history(world: World) -> None:
    emil = world.id_of("emil")
    team = await begun(world)
    path = f"{PATH}/{team['id']}"
    for _ in range(2):
        await world.ask("ada", "PATCH", path, {"lead_id": emil})
    await world.delete("abe", path)
    told = await world.told(TeamChanged, team_id=team["id"], org_id=world.acme)
    states = [(event["version"], event["lead_id"], event["state"]) for event in told]
    assert states == [(1, None, "kept"), (2, emil, "kept"), (3, emil, "removed")]
    entries = (await world.get("ada", f"{path}/historylog")).data
    assert [(one["action"], one["actor"]) for one in entries] == [
        ("deleted", world.id_of("abe")), ("changed", world.id_of("ada")), ("created", world.id_of("ada")),
    ]  # fmt: skip
    assert entries[1]["changes"] == [{"field": "lead_id", "old": None, "new": emil}]


async def test_tm5_a_name_is_one_teams_in_its_organisation(world: World) -> None:
    await begun(world, "Straße")
    other = await begun(world, "Other")
    for method, path in (("POST", PATH), ("PUT", f"{PATH}/{other['id']}"), ("PATCH", f"{PATH}/{other['id']}")):
        taken = await world.ask("ada", method, path, {"name": " STRASSE "})
        assert (taken.code, set(taken.error["fields"])) == ((409, "conflict"), {"name"})
    assert (await world.post("gus", PATH, {"name": "Straße"})).status == 201
    replies = await asyncio.gather(*(world.post("ada", PATH, {"name": "Rivals"}) for _ in range(4)))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409]


async def test_tm5_members_and_lead_are_people_who_are_here(world: World) -> None:
    team = await begun(world)
    await world.delete("ada", f"/users/{world.id_of('mona')}")
    nobody = (world.id_of("mona"), world.id_of("gina"), world.id_of("root"), 999_999)
    for method, path in (("POST", PATH), ("PUT", f"{PATH}/{team['id']}"), ("PATCH", f"{PATH}/{team['id']}")):
        for user_id in nobody:
            body = {"name": "New", "member_ids": [world.id_of("emil"), user_id], "lead_id": user_id}
            reply = await world.ask("ada", method, path, body)
            assert (reply.status, set(reply.error["fields"])) == (400, {"member_ids", "lead_id"})


async def test_tm5_who_leaves_is_taken_out_of_all_teams(world: World) -> None:
    emil, mona = world.id_of("emil"), world.id_of("mona")
    led, joined = await begun(world, lead_id=mona, member_ids=[emil, mona]), await begun(world, "B", member_ids=[mona])
    untouched = await begun(world, "C", member_ids=[emil])
    assert (await world.delete("ada", f"/users/{mona}")).status == 200
    assert (await world.get("ada", PATH)).data == [
        led | {"member_ids": [emil], "lead_id": None}, joined | {"member_ids": []}, untouched,
    ]  # fmt: skip
    told = [event["team_id"] for event in await world.told(TeamChanged, version=2)]
    assert sorted(told) == [led["id"], joined["id"]]
    await world.post("ada", f"/users/{mona}/restore")
    assert (await world.get("ada", f"{PATH}/{joined['id']}")).data["member_ids"] == []


async def test_tm5_who_becomes_a_super_admin_leaves_the_teams_too(world: World) -> None:
    team = await begun(world, lead_id=world.id_of("emil"), member_ids=[world.id_of("emil")])
    assert (await world.put("root", f"/users/{world.id_of('emil')}", {"role_id": 1})).status == 200
    assert (await world.get("ada", f"{PATH}/{team['id']}")).data == team | {"member_ids": [], "lead_id": None}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"name"}), ({"name": ""}, {"name"}), ({"name": None}, {"name"}), ({"name": "x" * 101}, {"name"}),
        ({"name": "A\nB"}, {"name"}), ({"name": "A\u202eB"}, {"name"}),
        ({"name": "A", "member_ids": 1}, {"member_ids"}), ({"name": "A", "member_ids": ["x"]}, {"member_ids"}),
        ({"name": "A", "member_ids": [1, 1]}, {"member_ids"}), ({"name": "A", "lead_id": True}, {"lead_id"}),
        ({"name": "A", "member_ids": list(range(1, 1002))}, {"member_ids"}),
    ],
)  # fmt: skip
async def test_tm5_what_is_no_team_is_refused(world: World, body: dict[str, Any], fields: set[str]) -> None:
    reply = await world.post("ada", PATH, body)
    assert (reply.status, set(reply.error["fields"])) == (400, fields)


async def test_tm5_teams_of_others_are_not_there(world: World) -> None:
    team = await begun(world)
    path = f"{PATH}/{team['id']}"
    for method in ("GET", "PATCH", "DELETE"):
        assert (await world.ask("gus", method, path, {})).code == (404, "not_found")
    put = await world.put("gus", path, {"name": "Mine"})
    assert (put.status, set(put.error["fields"])) == (400, {"id"})
    assert (await world.get("gus", PATH)).data == []


async def test_tm5_only_admins_change_teams(world: World) -> None:
    team = await begun(world)
    path = f"{PATH}/{team['id']}"
    for method, place in (("POST", PATH), ("PUT", path), ("PATCH", path), ("DELETE", path)):
        assert (await world.ask(None, method, place, {"name": "X"})).status == 401
        for who in ("mona", "emil"):
            assert (await world.ask(who, method, place, {"name": "X"})).code == (403, "access_denied")


async def test_tm6_teams_are_queried_by_name_and_lead(world: World) -> None:
    emil, mona = world.id_of("emil"), world.id_of("mona")
    night = await begun(world, "Émile's night", lead_id=emil)
    nightly = await begun(world, "éMILE'S Nightly", lead_id=mona)
    day = await begun(world, "Day", lead_id=emil)
    assert (await world.post("gus", PATH, {"name": "Day"})).status == 201
    for asked, expected in (
        ({"filter": {"name": "DAY"}}, [day]),
        ({"filter": {"name": {"prefix": "émile's"}}, "sort": ["-name"]}, [nightly, night]),
        ({"filter": {"name": {"in": ["day", "émile's nightly", "none"]}}}, [nightly, day]),
        ({"filter": {"lead_id": emil}, "sort": ["-id"]}, [day, night]),
        ({"filter": {"lead_id": {"in": [emil, mona]}, "name": "day"}}, [day]),
        ({"filter": {"id": {"ne": night["id"]}}}, [nightly, day]),
        ({"sort": ["name"]}, [day, night, nightly]),
    ):
        found = await world.post("emil", f"{PATH}/query", {**asked, "fields": ["id", "name"]})
        assert (found.status, found.data) == (200, [{"id": one["id"], "name": one["name"]} for one in expected]), asked
    listed = await world.get("emil", f"{PATH}?filter[name][prefix]=É&sort=-name&fields=id&limit=1&total=true")
    assert (listed.data, listed.meta["total"]) == ([{"id": nightly["id"]}], 2)
    cursor = listed.meta["next_cursor"]
    following = await world.get("emil", f"{PATH}?filter[name][prefix]=É&sort=-name&cursor={cursor}")
    assert following.data == [night]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("filter[nmae]=x", {"filter[nmae]"}), ("filter[name][contains]=x", {"filter[name][contains]"}),
        ("sort=lead_id", {"sort"}), ("filter[lead_id]=1&sort=name", {"sort"}), ("fields=folded_name", {"fields"}),
        ("filter[member_ids]=1", {"filter[member_ids]"}),
    ],
)  # fmt: skip
async def test_tm6_a_wrong_query_of_teams_is_named(world: World, query: str, fields: set[str]) -> None:
    reply = await world.get("emil", f"{PATH}?{query}")
    assert (reply.status, set(reply.error["fields"])) == (400, fields)
