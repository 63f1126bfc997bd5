"""Core values over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.contracts.recognition import CoreValueChanged, CoreValueCreated, CoreValueDeleted
from tests.component.recognition.world import ADMIN, ANNA, FOREIGN_ADMIN, MODERATOR, SUPER_ADMIN, Api, World

INVALID = "Invalid core value data"


async def test_a_created_core_value_reads_as_it_was_written(api: Api, world: World) -> None:
    body = {"text": " Ownership ", "description": "We own it", "thumbnail": "https://example.com/own.png", "org_id": 99}
    made = await api.ask(ADMIN, "POST", "/core_values", body)
    assert made.status == 201
    expected = {
        "id": made.data["id"],
        "text": "Ownership",
        "description": "We own it",
        "parent_core_value_id": None,
        "org_id": 1,
        "thumbnail": "https://example.com/own.png",
    }
    assert made.data == expected
    assert (await api.get(ANNA, f"/core_values/{made.data['id']}")).data == expected
    assert [event.text for event in await world.told(CoreValueCreated)] == ["Ownership"]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"text", "description"}),
        ({"text": "", "description": "d"}, {"text"}),
        ({"text": "x" * 101, "description": "d"}, {"text"}),
        ({"text": "x", "description": "d" * 1001}, {"description"}),
        ({"text": 1, "description": None}, {"text", "description"}),
        ({"text": "x", "description": "d", "thumbnail": "http://example.com/a.png"}, {"thumbnail"}),
        ({"text": "x", "description": "d", "parent_core_value_id": 0}, {"parent_core_value_id"}),
        ({"text": "x", "description": "d", "parent_core_value_id": True}, {"parent_core_value_id"}),
        ({"text": "x", "description": "d", "parent_core_value_id": 4711}, {"parent_core_value_id"}),
    ],
)
async def test_every_wrong_field_is_named(api: Api, body: Any, fields: set[str]) -> None:
    answer = await api.ask(ADMIN, "POST", "/core_values", body)
    assert answer.code == (400, "invalid_data")
    assert answer.error["message"] == INVALID
    assert set(answer.error["fields"]) == fields


async def test_only_admins_write(api: Api) -> None:
    value_id = await api.new_value()
    body = {"text": "x", "description": "d"}
    for method, path in (
        ("POST", "/core_values"),
        ("PUT", f"/core_values/{value_id}"),
        ("PATCH", f"/core_values/{value_id}"),
        ("DELETE", f"/core_values/{value_id}"),
    ):
        for caller in (ANNA, MODERATOR):
            assert (await api.ask(caller, method, path, body)).code == (403, "access_denied")
        assert (await api.ask(None, method, path, body)).code == (401, "invalid_token")


async def test_a_text_is_unique_in_its_organisation_ignoring_case(api: Api) -> None:
    first, second = await api.new_value("Straße"), await api.new_value("Other")
    assert (await api.ask(ADMIN, "POST", "/core_values", {"text": "STRASSE", "description": "d"})).code[0] == 409
    renamed = await api.ask(ADMIN, "PATCH", f"/core_values/{second}", {"text": "strasse"})
    assert renamed.code == (409, "conflict")
    assert (await api.ask(ADMIN, "PATCH", f"/core_values/{first}", {"text": "STRASSE"})).status == 200
    await api.new_value("strasse", FOREIGN_ADMIN)


async def test_put_replaces_text_and_description_and_leaves_the_rest(api: Api, world: World) -> None:
    parent = await api.new_value("Parent")
    value_id = await api.new_value(parent_core_value_id=parent, thumbnail="https://example.com/a.png")
    body = {"text": "New", "description": "Changed", "parent_core_value_id": None, "thumbnail": None}
    replaced = await api.ask(ADMIN, "PUT", f"/core_values/{value_id}", body)
    assert replaced.status == 200
    assert (replaced.data["text"], replaced.data["description"]) == ("New", "Changed")
    assert replaced.data["parent_core_value_id"] == parent
    assert replaced.data["thumbnail"] == "https://example.com/a.png"
    assert [event.version for event in await world.told(CoreValueChanged)] == [2]
    missing = await api.ask(ADMIN, "PUT", f"/core_values/{value_id}", {"text": "New"})
    assert set(missing.error["fields"]) == {"description"}


async def test_patch_changes_only_what_is_given(api: Api) -> None:
    parent, value_id = await api.new_value("Parent"), await api.new_value("Child")
    moved = await api.ask(ADMIN, "PATCH", f"/core_values/{value_id}", {"parent_core_value_id": str(parent)})
    assert (moved.data["text"], moved.data["parent_core_value_id"]) == ("Child", parent)
    freed = await api.ask(ADMIN, "PATCH", f"/core_values/{value_id}", {"parent_core_value_id": None})
    assert freed.data["parent_core_value_id"] is None
    assert (await api.ask(ADMIN, "PATCH", f"/core_values/{value_id}", {})).status == 200


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
async def test_what_is_so_already_is_no_change(api: Api, world: World, method: str) -> None:
    path = f"/core_values/{await api.new_value('Same', thumbnail='https://example.com/a.png')}"
    tag = (await api.get(ANNA, path)).headers["ETag"]
    for body in ({"text": "Same", "description": "Together"}, {"text": " Same ", "description": "Together", "x": 1}):
        assert (await api.ask(ADMIN, method, path, body)).status == 200
    assert (await api.get(ANNA, path, If_None_Match=tag)).status == 304
    assert (await api.ask(ADMIN, method, path, body, If_Match='"7.x"')).code == (412, "version_mismatch")
    assert await world.told(CoreValueChanged) == []
    assert len((await api.get(ADMIN, f"{path}/historylog")).data) == 1
    other = await api.ask(ADMIN, method, path, {"text": "same", "description": "Together"}, If_Match=tag)
    assert (other.status, other.data["text"]) == (200, "same")


async def test_the_tree_has_three_levels_and_no_cycles(api: Api) -> None:
    one = await api.new_value("One")
    two = await api.new_value("Two", parent_core_value_id=one)
    three = await api.new_value("Three", parent_core_value_id=two)
    body = {"text": "Four", "description": "d", "parent_core_value_id": three}
    deep = await api.ask(ADMIN, "POST", "/core_values", body)
    assert set(deep.error["fields"]) == {"parent_core_value_id"}
    cycle = await api.ask(ADMIN, "PATCH", f"/core_values/{one}", {"parent_core_value_id": three})
    assert set(cycle.error["fields"]) == {"parent_core_value_id"}
    tree = await api.get(ANNA, "/core_values?tree=true")
    assert tree.data[0]["children"][0]["children"][0]["id"] == three
    flat = await api.get(ANNA, "/core_values")
    assert [row["id"] for row in flat.data] == [one, two, three]
    assert "children" not in flat.data[0]
    assert (await api.get(ANNA, "/core_values?tree=yes")).code == (400, "invalid_data")


async def test_unknown_ids(api: Api) -> None:
    body = {"text": "x", "description": "d"}
    foreign = await api.new_value("Theirs", FOREIGN_ADMIN)
    for value_id in (foreign, 4711):
        path = f"/core_values/{value_id}"
        assert (await api.get(ANNA, path)).code == (404, "not_found")
        assert (await api.ask(ADMIN, "PATCH", path, body)).code == (404, "not_found")
        assert (await api.ask(ADMIN, "DELETE", path)).code == (404, "not_found")
        replaced = await api.ask(ADMIN, "PUT", path, body)
        assert (replaced.code, set(replaced.error["fields"])) == ((400, "invalid_data"), {"id"})
    assert (await api.get(ANNA, "/core_values/x")).code == (400, "invalid_data")
    assert (await api.get(ANNA, f"/core_values/{2**53}")).code == (400, "invalid_data")


async def test_a_core_value_in_use_is_not_deleted(api: Api, world: World) -> None:
    parent = await api.new_value("Parent")
    child = await api.new_value("Child", parent_core_value_id=parent)
    used = await api.new_value("Used")
    await api.given(ANNA, ADMIN, used)
    assert (await api.ask(ADMIN, "DELETE", f"/core_values/{parent}")).code == (409, "conflict")
    assert (await api.ask(ADMIN, "DELETE", f"/core_values/{used}")).code == (409, "conflict")
    assert (await api.ask(ADMIN, "DELETE", f"/core_values/{child}")).status == 204
    assert (await api.ask(ADMIN, "DELETE", f"/core_values/{parent}")).status == 204
    assert (await api.get(ANNA, f"/core_values/{parent}")).status == 404
    assert [event.core_value_id for event in await world.told(CoreValueDeleted)] == [child, parent]


async def test_a_stale_version_changes_nothing(api: Api) -> None:
    value_id = await api.new_value()
    path = f"/core_values/{value_id}"
    tag = (await api.get(ANNA, path)).headers["ETag"]
    assert (await api.get(ANNA, path, If_None_Match=tag)).status == 304
    assert (await api.ask(ADMIN, "PATCH", path, {"description": "New"}, If_Match=tag)).status == 200
    for method, body in (
        ("PATCH", {"description": "Newer"}),
        ("PUT", {"text": "x", "description": "y"}),
        ("DELETE", None),
    ):
        assert (await api.ask(ADMIN, method, path, body, If_Match=tag)).code == (412, "version_mismatch")
    fresh = await api.get(ANNA, path, If_None_Match=tag)
    assert (fresh.status, fresh.data["description"]) == (200, "New")
    assert (await api.ask(ADMIN, "DELETE", path, If_Match=fresh.headers["ETag"])).status == 204


async def test_a_super_admin_names_the_organisation(api: Api) -> None:
    body = {"text": "From above", "description": "d"}
    unnamed = await api.ask(SUPER_ADMIN, "POST", "/core_values", body)
    assert set(unnamed.error["fields"]) == {"org_id"}
    made = await api.ask(SUPER_ADMIN, "POST", "/core_values?org_id=2", body)
    assert (made.status, made.data["org_id"]) == (201, 2)
    assert (await api.get(ANNA, f"/core_values/{made.data['id']}")).status == 404


async def test_the_same_key_creates_once(api: Api) -> None:
    body = {"text": "Once", "description": "d"}
    first = await api.ask(ADMIN, "POST", "/core_values", body, Idempotency_Key="k")
    again = await api.ask(ADMIN, "POST", "/core_values", body, Idempotency_Key="k")
    assert (again.status, again.body, again.headers["Idempotency-Replayed"]) == (201, first.body, "true")
    other = await api.ask(ADMIN, "POST", "/core_values", {**body, "text": "Twice"}, Idempotency_Key="k")
    assert other.code == (422, "idempotency_key_reused")


async def test_concurrent_moves_make_no_cycle(api: Api, world: World) -> None:
    ids = [await api.new_value(f"Value {number}") for number in range(4)]
    moves = [(child, parent) for child in ids for parent in ids if child != parent]
    answers = await asyncio.gather(
        *(
            api.patiently(ADMIN, "PATCH", f"/core_values/{child}", {"parent_core_value_id": parent})
            for child, parent in moves
        )
    )
    assert {answer.status for answer in answers} == {200, 400}
    parents = {row["id"]: row["parent_core_value_id"] for row in (await api.get(ANNA, "/core_values")).data}
    for value_id in ids:
        chain = [value_id]
        while parents[chain[-1]] is not None:
            chain.append(parents[chain[-1]])
            assert len(chain) <= 3, chain
    changed = [answer for answer in answers if answer.status == 200]
    assert len(await world.told(CoreValueChanged)) == len(changed)


async def test_the_same_text_at_once_is_kept_once(api: Api) -> None:
    texts = ["same", "SAME", "Same", "sAme"] * 4
    answers = await asyncio.gather(
        *(api.ask(ADMIN, "POST", "/core_values", {"text": text, "description": "d"}) for text in texts)
    )
    assert sorted(answer.status for answer in answers) == [201] + [409] * 15
