"""Maintenance windows (TM-12): planned by the installation's admins, known to everybody, kept by every request."""

from __future__ import annotations

import re
from typing import Any

import pytest

from shared.contracts.maintenance import MaintenanceWindowChanged
from shared.maintenance import HEADER
from tests.component.auth.world import PASSWORD, World
from tests.support.api import Reply
from tests.support.log import told
from tests.support.waiting import eventually

PATH = "/maintenance-windows"
HOUR, DAY = 3600, 86_400


def at(world: World, after: int) -> int:
    return int(world.clock().timestamp()) + after


def window(world: World, starts_in: int, lasts: int = HOUR, message: str = "Upgrade") -> dict[str, Any]:
    return {"starts_at": at(world, starts_in), "ends_at": at(world, starts_in + lasts), "message": message}


async def planned(world: World, starts_in: int, lasts: int = HOUR) -> dict[str, Any]:
    made: dict[str, Any] = (await world.post("root", PATH, window(world, starts_in, lasts))).data
    return made


async def refused(world: World) -> Reply:
    reply = await world.post("ada", "/api-keys", {"name": "Key", "scopes": ["view:user"]})
    assert reply.code == (503, "unavailable")
    return reply


async def open_again(world: World) -> None:
    reply = await world.post("ada", "/api-keys", {"name": "Key", "scopes": ["view:user"]})
    assert reply.status == 201


async def test_tm12_a_window_is_planned_and_anybody_may_know(world: World) -> None:
    asked = window(world, DAY)
    reply = await world.post("root", PATH, asked)
    assert reply.status == 201
    assert reply.data == {"id": reply.data["id"], **asked, "version": 1}
    earlier = await planned(world, HOUR)
    listed = await world.get(None, PATH)
    assert listed.data == [earlier, reply.data]
    assert listed.meta["total"] == 2
    assert (await world.get(None, PATH, If_None_Match=listed.headers["ETag"])).status == 304


async def test_tm12_the_message_may_be_left_out(world: World) -> None:
    body = {"starts_at": at(world, DAY), "ends_at": at(world, DAY + 60)}
    assert (await world.post("root", PATH, body)).data["message"] == ""


async def test_tm12_only_the_installation_plans(world: World) -> None:
    made = await planned(world, DAY)
    requests = [("POST", PATH), ("PUT", f"{PATH}/{made['id']}"), ("DELETE", f"{PATH}/{made['id']}")]
    for method, path in requests:
        body = None if method == "DELETE" else window(world, 3 * DAY)
        assert (await world.ask(None, method, path, body)).status == 401
        for who in ("ada", "mona", "emil"):
            assert (await world.ask(who, method, path, body)).code == (403, "access_denied")


@pytest.mark.parametrize(
    ("starts_in", "ends_in", "field"),
    [
        (HOUR, HOUR, "ends_at"), (HOUR, 60, "ends_at"), (-2 * HOUR, -HOUR, "ends_at"), (0, 31 * DAY, "ends_at"),
        (6 * 366 * DAY, 6 * 366 * DAY + HOUR, "starts_at"),
    ],
)  # fmt: skip
async def test_tm12_times_that_cannot_be_are_refused(world: World, starts_in: int, ends_in: int, field: str) -> None:
    body = {"starts_at": at(world, starts_in), "ends_at": at(world, ends_in), "message": "x"}
    present = await planned(world, 10 * DAY)
    for method, path in (("POST", PATH), ("PUT", f"{PATH}/{present['id']}")):
        reply = await world.ask("root", method, path, body)
        assert (reply.status, list(reply.error["fields"])) == (400, [field])


async def test_tm12_what_is_no_time_is_refused(world: World) -> None:
    reply = await world.post("root", PATH, {"starts_at": "soon", "message": "x" * 501})
    assert (reply.status, set(reply.error["fields"])) == (400, {"starts_at", "ends_at", "message"})


async def test_tm12_windows_do_not_overlap(world: World) -> None:
    first, later = await planned(world, DAY), await planned(world, 2 * DAY)
    for starts_in, lasts in ((DAY - 60, 120), (DAY + 60, 60), (DAY + HOUR - 1, HOUR), (DAY - 60, 2 * HOUR)):
        reply = await world.post("root", PATH, window(world, starts_in, lasts))
        assert reply.code == (409, "conflict")
        assert str(first["id"]) in reply.error["fields"]["starts_at"]
    moved = await world.put("root", f"{PATH}/{later['id']}", window(world, DAY + 60))
    assert moved.code == (409, "conflict")
    next_to_it = {"starts_at": first["ends_at"], "ends_at": first["ends_at"] + 60}
    assert (await world.post("root", PATH, next_to_it)).status == 201


async def test_tm12_a_hundred_are_planned_at_most(world: World) -> None:
    for number in range(100):
        await planned(world, DAY + number * HOUR)
    reply = await world.post("root", PATH, window(world, 300 * DAY))
    assert reply.code == (409, "conflict")


async def test_tm12_a_window_is_moved_and_removed_by_its_version(world: World) -> None:
    made = await planned(world, DAY)
    path, asked = f"{PATH}/{made['id']}", window(world, 3 * DAY, message="Later")
    reply = await world.put("root", path, asked, If_Match='"1"')
    assert (reply.status, reply.data) == (200, {"id": made["id"], **asked, "version": 2})
    assert (await world.put("root", path, asked, If_Match='"1"')).code == (412, "version_mismatch")
    assert (await world.delete("root", path, If_Match='"1"')).code == (412, "version_mismatch")
    assert (await world.delete("root", path, If_Match='"2"')).status == 204
    assert (await world.get(None, PATH)).data == []
    assert (await world.delete("root", path)).code == (404, "not_found")
    again = await world.put("root", path, asked)
    assert (again.status, set(again.error["fields"])) == (400, {"id"})
    told = await world.told(MaintenanceWindowChanged, window_id=made["id"])
    assert [(event["state"], event["version"]) for event in told] == [("planned", 1), ("planned", 2), ("removed", 3)]
    assert {event["org_id"] for event in told} == {0}


async def test_tm12_the_same_request_again_plans_one(world: World) -> None:
    body = window(world, DAY)
    replies = [await world.post("root", PATH, body, Idempotency_Key="once") for _ in range(2)]
    assert replies[0].body == replies[1].body
    assert len((await world.get(None, PATH)).data) == 1


async def test_tm12_within_a_window_nothing_is_written_and_reading_goes_on(world: World) -> None:
    made = await planned(world, -60)
    reply = await eventually(lambda: refused(world), within=5)
    assert made["ends_at"] - at(world, 0) <= int(reply.headers["Retry-After"]) <= HOUR
    assert "Upgrade" in reply.error["message"]
    for path in ("/users/me", "/users", "/organisations/me"):
        assert (await world.get("ada", path)).status == 200
    assert (await world.ask("ada", "HEAD", "/users")).status == 200
    profile = {"first_name": "A", "last_name": "B", "display_name": "C"}
    assert (await world.put("ada", "/users/me", profile)).code == (503, "unavailable")
    assert (await world.ask("ada", "PATCH", f"/organisations/{world.acme}", {"city": "X"})).status == 503
    assert (await world.delete("ada", f"/users/{world.id_of('emil')}")).status == 503


async def test_tm12_rights_and_forms_are_looked_at_first(world: World) -> None:
    await planned(world, -60)
    await eventually(lambda: refused(world), within=5)
    assert (await world.post(None, "/api-keys", {})).status == 401
    assert (await world.post("emil", "/api-keys", {})).status == 403
    assert (await world.post("ada", "/api-keys", {})).status == 400


async def test_tm12_signing_in_and_out_and_ending_the_window_go_on(world: World) -> None:
    made = await planned(world, -60)
    await eventually(lambda: refused(world), within=5)
    signed_in = await world.sign_in("emil", PASSWORD)
    assert signed_in.status == 200
    assert (await world.post(signed_in.data["token"], "/logout")).status == 200
    assert (await world.put("root", f"{PATH}/{made['id']}", window(world, -60, 2 * HOUR))).status == 200
    assert (await world.delete("root", f"{PATH}/{made['id']}")).status == 204
    await eventually(lambda: open_again(world), within=5)


async def test_tm12_a_window_ends_by_itself(world: World) -> None:
    made = await planned(world, -60)
    await eventually(lambda: refused(world), within=5)
    world.clock.ahead += world.clock().resolution * 1_000_000 * (HOUR + 1)
    await open_again(world)
    assert (await world.get(None, PATH)).data == []
    over = await world.put("root", f"{PATH}/{made['id']}", window(world, DAY))
    assert over.code == (409, "conflict")


async def test_tm12_every_answer_tells_the_next_window_within_a_day(world: World) -> None:
    await planned(world, 2 * DAY)
    assert HEADER not in (await world.get("emil", "/users/me")).headers
    made = await planned(world, 2 * HOUR)

    async def told() -> None:
        header = (await world.get("emil", "/users/me")).headers[HEADER]
        assert header == f"starts={made['starts_at']}, ends={made['ends_at']}"

    async def is_told() -> bool:
        return HEADER in (await world.get(None, "/healthz")).headers

    await eventually(is_told, within=5)
    await told()
    for who, method, path in ((None, "GET", "/users"), ("emil", "GET", "/nothing"), ("emil", "PATCH", "/users/me")):
        reply = await world.ask(who, method, path)
        assert reply.status in {401, 404, 405}
        assert re.fullmatch(r"starts=\d+, ends=\d+", reply.headers[HEADER])


async def test_tm7_every_change_of_a_window_is_in_the_installations_history(world: World) -> None:
    made = await planned(world, DAY)
    path = f"{PATH}/{made['id']}"
    assert (await world.put("root", path, window(world, DAY + 60, message="Later"))).status == 200
    assert (await world.delete("root", path)).status == 204
    created, changed, deleted = told(await world.get("root", f"{path}/historylog"))
    root = world.id_of("root")
    assert (created[:2], changed[:2], deleted[:2]) == ((root, "created"), (root, "changed"), (root, "deleted"))
    assert created[2]["starts_at"] == (None, made["starts_at"])
    assert changed[2]["message"] == ("Upgrade", "Later")
    assert deleted[2]["removed"] == (False, True)
    assert told(await world.get("root", f"{PATH}/historylog")) == [created, changed, deleted]
    assert (await world.get("root", f"{PATH}/4711/historylog")).code == (404, "not_found")
    for who in ("ada", "emil"):
        assert (await world.get(who, f"{path}/historylog")).code == (403, "access_denied")
