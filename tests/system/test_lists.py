"""PA-6: every list takes pages. Generated from the OpenAPI documents: a new list takes them or is named here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from shared.identity import Role
from tests.support.api import Reply
from tests.support.databases import Databases, build_template
from tests.support.installation import installation
from tests.support.waiting import eventually
from tests.support.walk import OPERATIONS, Operation, World, named

WITHOUT_PAGES = {
    "GET /quota/proof": "a dozen invariants, which hold together or not at all",
    "GET /hi5s/proof": "the same",
    "GET /insights/leaderboard": "the first of an order; `limit` says how many",
    "GET /insights/search": "the best of an order; `limit` says how many",
}
PAGES = {"limit", "offset", "page", "page_size", "cursor", "total"}


def shows_a_list(operation: Operation) -> bool:
    content = operation.described["responses"].get("200", {}).get("content", {})
    schema: dict[str, Any] = content.get("application/json", {}).get("schema", {})
    return bool(operation.method == "GET" and schema.get("properties", {}).get("data", {}).get("type") == "array")


LISTS = [one for one in OPERATIONS if shows_a_list(one) and one.name not in WITHOUT_PAGES]


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    database = await databases.make(build_template)
    async with installation(database, tmp_path_factory.mktemp("lists")) as peerly:
        ours, theirs = await peerly.company(), await peerly.company()
        yield World(peerly, ours, theirs, await peerly.super_admin())
    await databases.drop(database)


@dataclass(frozen=True, slots=True)
class OneList:
    """A list of one thing, asked for by one person."""

    world: World
    operation: Operation
    role: Role
    ids: dict[str, Any]

    @classmethod
    async def of(cls, world: World, operation: Operation) -> OneList:
        role = Role.ORGANISATION_ADMIN if operation.admits(Role.ORGANISATION_ADMIN) else Role.SUPER_ADMIN
        return cls(world, operation, role, await operation.case.ids(world.stage(role)))

    async def page(self, **params: str) -> Reply:
        return await self.world.send(self.operation, self.role, ids=self.ids, params=params)


def test_pa6_lists_are_found() -> None:
    names = {one.name for one in LISTS}
    assert {"GET /scopes", "GET /valuelists", "GET /maintenance-windows", "GET /users", "GET /recognitions"} <= names
    assert len(names) > 40


@pytest.mark.parametrize("operation", LISTS, ids=named)
def test_pa6_the_document_has_the_parameters_of_pages(operation: Operation) -> None:
    assert {one["name"] for one in operation.described["parameters"] if one["in"] == "query"} >= PAGES


async def pages_of(one: OneList) -> list[Reply]:
    """The first page, the second, and the second again by the cursor if there is one."""
    first = await one.page(page="1", page_size="1", total="true")
    second = await one.page(page="2", page_size="1")
    cursor = first.meta.get("next_cursor")
    return [first, second, *([await one.page(limit="1", cursor=cursor)] if cursor else [])]


async def pages_while_nothing_arrives(one: OneList) -> list[Reply]:
    found = await pages_of(one)
    assert (await pages_of(one))[0].raw == found[0].raw
    return found


@pytest.mark.parametrize("operation", LISTS, ids=named)
async def test_pa6_every_list_is_cut_into_pages(world: World, operation: Operation) -> None:
    one = await OneList.of(world, operation)
    first, second, *following = await eventually(lambda: pages_while_nothing_arrives(one))
    assert (first.status, first.meta["limit"], first.meta["offset"]) == (200, 1, 0), first.raw
    assert len(first.data) == min(1, first.meta["total"])
    assert ("next_cursor" in first.meta) == (first.meta["total"] > 1)
    assert (second.status, second.meta["offset"], "total" in second.meta) == (200, 1, False)
    assert len(second.data) == min(1, max(0, first.meta["total"] - 1))
    assert [one.data for one in following] == [second.data] * len(following)
    assert first.data != second.data or first.data == []


@pytest.mark.parametrize("operation", LISTS, ids=named)
async def test_pa6_a_page_that_is_none_is_named(world: World, operation: Operation) -> None:
    one = await OneList.of(world, operation)
    for name, value in (("page_size", "zzz"), ("page", "0"), ("total", "maybe"), ("cursor", "none")):
        refused = await one.page(**{name: value})
        assert (refused.status, set(refused.error["fields"])) == (400, {name}), refused.raw
