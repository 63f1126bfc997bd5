"""TM-7 in recognition: every change of a core value and a recognition is in its log, whoever made it, for ever."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from shared.identity import Role
from tests.component.recognition.world import ADMIN, ANNA, BEN, FOREIGN_ADMIN, MODERATOR, Api, World
from tests.support.api import Caller
from tests.support.databases import ScratchDatabase
from tests.support.log import told


async def test_tm7_a_core_value_from_its_first_day_to_its_last(api: Api, world: World) -> None:
    value = await api.new_value("Courage")
    path = f"/core_values/{value}"
    other = Caller(17, Role.ORGANISATION_ADMIN)
    await world.joins(other)
    assert (await api.ask(other, "PATCH", path, {"thumbnail": "https://pictures.test/a.png"})).status == 200
    same = {"text": "Courage", "description": "Together"}
    assert (await api.ask(ADMIN, "PUT", path, same)).status == 200
    assert (await api.ask(ADMIN, "DELETE", path)).status == 204
    empty = {"parent_core_value_id": (None, None), "thumbnail": (None, None)}
    log = told(await api.get(ADMIN, f"{path}/historylog"))
    assert log == [
        (ADMIN.user_id, "created", {"text": (None, "Courage"), "description": (None, "Together")}),
        (other.user_id, "changed", {"thumbnail": (None, "https://pictures.test/a.png")}),
        (ADMIN.user_id, "deleted", {
            "text": ("Courage", None), "description": ("Together", None),
            "thumbnail": ("https://pictures.test/a.png", None),
        }),
    ]  # fmt: skip
    assert empty.keys().isdisjoint(log[0][2])


async def test_tm7_a_recognition_given_hidden_and_restored(api: Api, world: World) -> None:
    value = await api.new_value()
    given = await api.given(ANNA, BEN, value)
    await api.hi5(MODERATOR, given)
    await world.hides(given, 1)
    await world.restores(given, 2)
    log = told(await api.get(ADMIN, f"/recognitions/{given}/historylog"))
    assert [(actor, action) for actor, action, _ in log] == [
        (ANNA.user_id, "created"),
        (MODERATOR.user_id, "hidden"),
        (MODERATOR.user_id, "restored"),
    ]
    created = log[0][2]
    assert (created["text"], created["given_for"], created["given_by"]) == (
        (None, "Well done"), (None, BEN.user_id), (None, ANNA.user_id),
    )  # fmt: skip
    assert isinstance(created["given_at"][1], int)
    assert log[1][2] == {"hidden": (False, True)}


async def test_tm7_entries_name_their_request_and_what_they_are_about(api: Api) -> None:
    made = await api.ask(ADMIN, "POST", "/core_values", {"text": "A", "description": "B"}, X_Request_Id="the-first")
    [entry] = (await api.get(ADMIN, f"/core_values/{made.data['id']}/historylog")).data
    assert (entry["id"], entry["request_id"]) == (made.data["id"], "the-first")
    assert set(entry) == {"seq", "id", "at", "actor", "action", "changes", "request_id"}


async def test_tm7_the_log_of_a_kind_pages_newest_first(api: Api) -> None:
    made = [await api.new_value(f"Value {number}") for number in range(5)]
    seen: list[Any] = []
    path = "/core_values/historylog?limit=2&total=true"
    reply = await api.get(ADMIN, path)
    assert reply.meta["total"] == 5
    while True:
        seen += [entry["id"] for entry in reply.data]
        if "next_cursor" not in reply.meta:
            break
        reply = await api.get(ADMIN, f"{path}&cursor={reply.meta['next_cursor']}")
    assert seen == made[::-1]
    assert [entry["id"] for entry in (await api.get(ADMIN, "/core_values/historylog?offset=3")).data] == made[1::-1]


async def test_tm7_only_admins_of_the_organisation_read_it(api: Api) -> None:
    value = await api.new_value()
    path = f"/core_values/{value}/historylog"
    for caller in (ANNA, MODERATOR):
        assert (await api.get(caller, path)).code == (403, "access_denied")
        assert (await api.get(caller, "/core_values/historylog")).code == (403, "access_denied")
    assert (await api.get(FOREIGN_ADMIN, path)).code == (404, "not_found")
    assert (await api.get(FOREIGN_ADMIN, "/core_values/historylog")).data == []
    assert (await api.get(ADMIN, "/core_values/999999/historylog")).code == (404, "not_found")


async def test_tm7_a_change_that_is_undone_leaves_no_entry(api: Api) -> None:
    value = await api.new_value("One")
    await api.new_value("Two")
    assert (await api.ask(ADMIN, "PATCH", f"/core_values/{value}", {"text": "Two"})).status == 409
    assert len((await api.get(ADMIN, f"/core_values/{value}/historylog")).data) == 1


@pytest.mark.parametrize(
    "statement", ["UPDATE history SET action = 'x'", "DELETE FROM history", "TRUNCATE history", "DROP TABLE history"]
)
async def test_tm7_the_services_role_cannot_change_what_is_written(
    api: Api, scratch: ScratchDatabase, statement: str
) -> None:
    await api.new_value()
    connection = await asyncpg.connect(scratch.url("recognition"), server_settings={"search_path": "recognition"})
    try:
        await connection.execute("SELECT set_config('app.org_id', '1', false)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):  # another organisation's, by row-level security
            await connection.execute(
                "INSERT INTO history (org_id, kind, resource_id, action, changes) VALUES (2, 'x', 1, 'x', '[]')"
            )
    finally:
        await connection.close()
