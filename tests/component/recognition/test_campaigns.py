"""Campaigns (TM-5, TM-6, TM-7): a drive with a goal, with the five verbs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.component.recognition.world import (
    ADMIN,
    ANNA,
    BEN,
    FOREIGN_ADMIN,
    MODERATOR,
    STRANGER,
    SUPER_ADMIN,
    Api,
    World,
)
from tests.support.api import GLOBEX, Caller, Reply

PATH = "/campaigns"
START = 1_800_000_000
DRIVE = {
    "name": "Thanks in spring",
    "starts_at": START,
    "ends_at": START + 86_400,
    "goal_metric": "recognitions",
    "goal_target": 500,
}


async def begin(api: Api, caller: Caller = ADMIN, **fields: Any) -> Reply:
    return await api.ask(caller, "POST", PATH, {**DRIVE, **fields})


async def begun(api: Api, caller: Caller = ADMIN, **fields: Any) -> dict[str, Any]:
    reply = await begin(api, caller, **fields)
    assert reply.status == 201, reply.body
    return dict(reply.data)


async def test_tm5_a_campaign_is_begun_read_and_listed(api: Api, world: World) -> None:
    value = await api.new_value()
    await world.team(7, ANNA, BEN)
    campaign = await begun(api, core_value_ids=[value], team_ids=[7])
    assert campaign == {"id": campaign["id"], **DRIVE, "core_value_ids": [value], "team_ids": [7]}
    other = await begun(api, name="Summer")
    assert (other["core_value_ids"], other["team_ids"]) == ([], [])
    shown = await api.get(ANNA, f"{PATH}/{campaign['id']}")
    assert shown.data == campaign
    assert (await api.get(ANNA, f"{PATH}/{campaign['id']}", If_None_Match=shown.headers["ETag"])).status == 304
    listed = await api.get(ANNA, f"{PATH}?limit=1&total=true")
    assert (listed.data, listed.meta["total"]) == ([campaign], 2)
    following = await api.get(ANNA, f"{PATH}?cursor={listed.meta['next_cursor']}")
    assert following.data == [other]


async def test_tm5_put_sets_all_and_patch_what_is_named(api: Api, world: World) -> None:
    value = await api.new_value()
    await world.team(7, ANNA)
    campaign = await begun(api, core_value_ids=[value], team_ids=[7])
    path = f"{PATH}/{campaign['id']}"
    tag = (await api.get(ADMIN, path)).headers["ETag"]
    patched = await api.ask(ADMIN, "PATCH", path, {"goal_target": 9, "team_ids": None}, If_Match=tag)
    assert (patched.status, patched.data) == (200, campaign | {"goal_target": 9, "team_ids": []})
    merge = {"Content_Type": "application/merge-patch+json"}
    assert (await api.ask(ADMIN, "PATCH", path, {"name": "Later"}, **merge)).data["name"] == "Later"
    same = (await api.get(ADMIN, path)).headers["ETag"]
    await api.ask(ADMIN, "PATCH", path, {"name": "Later"})
    assert (await api.get(ADMIN, path)).headers["ETag"] == same
    put = await api.ask(ADMIN, "PUT", path, {**DRIVE, "goal_metric": "hi5s"})
    assert (put.status, put.data) == (
        200, {"id": campaign["id"], **DRIVE, "goal_metric": "hi5s", "core_value_ids": [], "team_ids": []},
    )  # fmt: skip
    for method, body in (("PUT", DRIVE), ("PATCH", {"name": "X"}), ("DELETE", None)):
        assert (await api.ask(ADMIN, method, path, body, If_Match=tag)).code == (412, "version_mismatch")
    assert (await api.ask(ADMIN, "DELETE", path)).status == 204
    assert (await api.get(ADMIN, path)).code == (404, "not_found")
    assert (await api.ask(ADMIN, "DELETE", path)).status == 404
    gone = await api.ask(ADMIN, "PUT", path, DRIVE)
    assert (gone.status, set(gone.error["fields"])) == (400, {"id"})


async def test_tm5_a_repeated_request_begins_one_campaign(api: Api) -> None:
    first, again = [await api.ask(ADMIN, "POST", PATH, DRIVE, Idempotency_Key="once") for _ in range(2)]
    assert (again.data, again.headers["Idempotency-Replayed"]) == (first.data, "true")
    assert len((await api.get(ADMIN, PATH)).data) == 1


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"starts_at": -1}, "starts_at"),
        ({"ends_at": START}, "ends_at"),
        ({"ends_at": 253_402_300_799}, "ends_at"),
        ({"ends_at": None}, "ends_at"),
        ({"goal_metric": "smiles"}, "goal_metric"),
        ({"goal_target": 0}, "goal_target"),
        ({"goal_target": 1_000_000_001}, "goal_target"),
        ({"goal_target": 1.5}, "goal_target"),
        ({"core_value_ids": [4711]}, "core_value_ids"),
        ({"core_value_ids": list(range(1, 102))}, "core_value_ids"),
        ({"team_ids": [4711]}, "team_ids"),
        ({"team_ids": [1, 1]}, "team_ids"),
        ({"team_ids": "1"}, "team_ids"),
    ],
)
async def test_tm5_what_makes_no_sense_is_refused_by_name(api: Api, fields: dict[str, Any], wrong: str) -> None:
    refused = await begin(api, **fields)
    assert (refused.status, set(refused.error["fields"])) == (400, {wrong})
    present = await begun(api)
    patched = await api.ask(ADMIN, "PATCH", f"{PATH}/{present['id']}", fields)
    assert (patched.status, set(patched.error["fields"])) == (400, {wrong})


async def test_tm5_members_read_and_admins_write(api: Api) -> None:
    campaign = await begun(api)
    path = f"{PATH}/{campaign['id']}"
    for caller in (ANNA, MODERATOR):
        assert (await api.get(caller, path)).data == campaign
        for method, where, body in (
            ("POST", PATH, DRIVE),
            ("PUT", path, DRIVE),
            ("PATCH", path, {}),
            ("DELETE", path, None),
        ):
            assert (await api.ask(caller, method, where, body)).status == 403
    assert (await api.ask(SUPER_ADMIN, "PATCH", f"{path}?org_id=1", {"name": "By root"})).status == 200


async def test_tm5_another_organisations_campaigns_teams_and_values_are_unknown(api: Api, world: World) -> None:
    value = await api.new_value()
    await world.team(7, ANNA)
    path = f"{PATH}/{(await begun(api))['id']}"
    assert (await api.get(STRANGER, path)).body == (await api.get(STRANGER, f"{PATH}/4711")).body
    assert (await api.get(STRANGER, PATH)).data == []
    assert (await api.ask(FOREIGN_ADMIN, "DELETE", path)).status == 404
    refused = await begin(api, FOREIGN_ADMIN, core_value_ids=[value], team_ids=[7])
    assert set(refused.error["fields"]) == {"core_value_ids", "team_ids"}
    await world.team(7, STRANGER, org_id=GLOBEX)
    assert (await begin(api, FOREIGN_ADMIN, team_ids=[7])).status == 201


async def test_tm5_a_removed_team_stays_where_it_is_named_and_is_named_nowhere_anew(api: Api, world: World) -> None:
    await world.team(7, ANNA, version=1)
    campaign = await begun(api, team_ids=[7])
    path = f"{PATH}/{campaign['id']}"
    await world.team(7, state="removed", version=3)
    await world.team(7, ANNA, BEN, version=2)
    assert await world.rows("SELECT FROM team_members", org_id=1) == []
    assert (await begin(api, team_ids=[7])).status == 400
    assert (await api.ask(ADMIN, "PATCH", path, {"name": "Later"})).data["team_ids"] == [7]


async def test_tm5_a_core_value_that_a_campaign_names_stays(api: Api) -> None:
    value, other = await api.new_value(), await api.new_value("Courage")
    campaign = await begun(api, core_value_ids=[value])
    refused = await api.ask(ADMIN, "DELETE", f"/core_values/{value}")
    assert refused.code == (409, "conflict")
    assert "campaigns, series" in refused.error["message"]
    await api.ask(ADMIN, "PATCH", f"{PATH}/{campaign['id']}", {"core_value_ids": [other]})
    assert (await api.ask(ADMIN, "DELETE", f"/core_values/{value}")).status == 204


async def test_tm6_campaigns_are_queried_by_name_and_time(api: Api) -> None:
    made = {
        name: (await begun(api, name=name, starts_at=START + number, ends_at=START + 100 - number))["id"]
        for number, name in enumerate(("Spring", "SPRINT", "Autumn"))
    }
    await begun(api, FOREIGN_ADMIN, name="Spring")
    for asked, expected in (
        ({"filter": {"name": "spring"}}, ["Spring"]),
        ({"filter": {"name": {"prefix": "spri"}}, "sort": ["name"]}, ["Spring", "SPRINT"]),
        ({"filter": {"name": {"in": ["autumn", "sprint"]}}}, ["SPRINT", "Autumn"]),
        ({"filter": {"starts_at": {"le": START + 1}}, "sort": ["-starts_at"]}, ["SPRINT", "Spring"]),
        ({"filter": {"ends_at": {"gt": START + 98}}, "sort": ["ends_at"]}, ["SPRINT", "Spring"]),
        ({"filter": {"id": {"ne": made["Spring"]}}, "sort": ["-id"]}, ["Autumn", "SPRINT"]),
    ):
        found = await api.ask(ANNA, "POST", f"{PATH}/query", {**asked, "fields": ["name"]})
        assert (found.status, found.data) == (200, [{"name": name} for name in expected]), asked
    listed = await api.get(ANNA, f"{PATH}?filter[name][prefix]=s&sort=-name&fields=id")
    assert listed.data == [{"id": made["SPRINT"]}, {"id": made["Spring"]}]
    refused = await api.ask(ANNA, "POST", f"{PATH}/query", {"filter": {"goal_target": 1}})
    assert (refused.status, set(refused.error["fields"])) == (400, {"filter.goal_target"})


async def test_tm7_every_change_is_in_the_history(api: Api) -> None:
    campaign = await begun(api)
    path = f"{PATH}/{campaign['id']}"
    for _ in range(2):
        await api.ask(ADMIN, "PATCH", path, {"ends_at": START + 5, "goal_target": 7})
    await api.ask(ADMIN, "DELETE", path)
    entries = (await api.get(ADMIN, f"{path}/historylog")).data
    assert [(one["action"], one["actor"]) for one in entries] == [
        ("deleted", ADMIN.user_id), ("changed", ADMIN.user_id), ("created", ADMIN.user_id),
    ]  # fmt: skip
    assert entries[1]["changes"] == [
        {"field": "ends_at", "old": START + 86_400, "new": START + 5},
        {"field": "goal_target", "old": 500, "new": 7},
    ]
    assert [one["seq"] for one in (await api.get(ADMIN, f"{PATH}/historylog")).data] == [one["seq"] for one in entries]
    assert (await api.get(ANNA, f"{path}/historylog")).status == 403
