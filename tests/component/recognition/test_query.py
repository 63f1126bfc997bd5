"""Queries of recognitions and core values over HTTP, against a plain model of the same rows."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from shared.identity import Role
from tests.component.recognition.stock import SORTS, START, Stock, as_parameters, ask, ids, stocked, together
from tests.component.recognition.world import (
    ANNA,
    BEN,
    CLEO,
    FOREIGN_ADMIN,
    MODERATOR,
    STRANGER,
    Api,
    World,
)
from tests.support.api import Caller


@pytest.fixture
async def stock(api: Api, world: World) -> Stock:
    return await stocked(api, world)


def alone(stock: Stock) -> list[dict[str, Any]]:
    """Every filter alone, where any order of moments goes with it."""
    some = sorted(row["id"] for row in stock.rows)
    people = [
        {name: {operator: value}}
        for name, one, several in (
            ("given_by", 12, [11, 13, 13]),
            ("given_for", 15, [14, 15]),
            ("core_value_id", stock.values[0], stock.values),
        )
        for operator, value in (("eq", one), ("in", several))
    ]
    moments = [{"given_at": {operator: START + 40}} for operator in ("eq", "lt", "le", "gt", "ge")]
    return [{}, {"id": some[3]}, {"id": {"in": some[5:12]}}, {"id": {"ne": some[2]}}, *people, *moments]


async def test_tm6_every_filter_and_sort_finds_what_the_model_finds_in_both_forms(stock: Stock) -> None:
    found_some = 0
    for filters, sort in itertools.product([*alone(stock), *together(stock)], SORTS):
        body = {"filter": filters, **({"sort": sort} if sort else {})}
        expected = stock.expected(filters, sort or ["-given_at"])
        assert await ids(stock.api, body) == expected, body
        reply = await stock.api.get(ANNA, f"/recognitions?limit=100&fields=id&{as_parameters(body)}")
        assert reply.data == [{"id": one} for one in expected], body
        found_some += bool(expected)
    assert found_some > 100


async def test_tm6_ids_have_an_order_and_bounds_of_their_own(stock: Stock) -> None:
    middle = sorted(row["id"] for row in stock.rows)[15]
    for operator in ("lt", "le", "gt", "ge"):
        filters = {"id": {operator: middle}}
        for sort in (None, ["id"], ["-id"]):
            body = {"filter": filters, **({"sort": sort} if sort else {})}
            assert await ids(stock.api, body) == stock.expected(filters, sort or ["-id"]), body


async def test_p23_pages_and_cursors_walk_through_every_sort(stock: Stock) -> None:
    for filters, sort in itertools.product(({}, {"given_by": {"in": [11, 12]}}), SORTS[1:]):
        body: dict[str, Any] = {"filter": filters, "sort": sort, "limit": 7, "total": True}
        expected = stock.expected(filters, sort)
        walked: list[int] = []
        while True:
            page = await ask(stock.api, body)
            walked += [row["id"] for row in page.data]
            assert page.meta["total"] == len(expected)
            if "next_cursor" not in page.meta:
                break
            body["cursor"] = page.meta["next_cursor"]
        assert walked == expected
        paged = {"filter": filters, "sort": sort}
        assert await ids(stock.api, {**paged, "limit": 5, "offset": 5}) == expected[5:10]


async def test_pa6_page_and_page_size_are_on_queries_and_on_every_list(stock: Stock) -> None:
    expected = stock.expected({}, ["given_at"])
    reply = await ask(stock.api, {"sort": ["given_at"], "page": 3, "page_size": 6, "total": True})
    assert [row["id"] for row in reply.data] == expected[12:18]
    meta = {name: reply.meta[name] for name in ("limit", "offset", "total")}
    assert meta == {"limit": 6, "offset": 12, "total": len(expected)}
    listed = await stock.api.get(ANNA, "/recognitions?page=2&page_size=4&total=true")
    assert [row["id"] for row in listed.data] == stock.expected({}, ["-given_at"])[4:8]
    values = await stock.api.get(ANNA, "/core_values?page=2&page_size=1&total=true")
    assert ([row["text"] for row in values.data], values.meta) == (["Care"], {"limit": 1, "offset": 1, "total": 2})
    assert 'rel="prev"' in values.headers["Link"]


async def test_p23_a_cursor_stays_in_place_while_rows_arrive(stock: Stock) -> None:
    expected = stock.expected({}, ["-given_at"])
    first = await ask(stock.api, {"sort": ["-given_at"], "limit": 10})
    newcomer = await stock.api.given(ANNA, BEN, (await stock.api.get(ANNA, "/core_values")).data[0]["id"])
    body = {"sort": ["-given_at"], "cursor": first.meta["next_cursor"]}
    assert await ids(stock.api, body) == expected[10:]
    assert (await ids(stock.api, {}))[0] == newcomer


async def test_p23_fields_gives_exactly_those_keys(stock: Stock) -> None:
    whole = (await ask(stock.api, {"limit": 1})).data[0]
    for keys in (["id"], ["text", "id"], ["given_by_user", "core_value"], list(whole)):
        [row] = (await ask(stock.api, {"limit": 1, "fields": keys})).data
        assert row == {key: whole[key] for key in keys}
    [listed] = (await stock.api.get(ANNA, "/recognitions?limit=1&fields=hi5_count,text")).data
    assert listed == {"hi5_count": 0, "text": whole["text"]}


async def test_tm6_without_fields_a_row_is_as_in_the_list(stock: Stock) -> None:
    assert (await ask(stock.api, {})).data == (await stock.api.get(ANNA, "/recognitions")).data
    assert (await ask(stock.api, {}, kind="core_values")).data == (await stock.api.get(ANNA, "/core_values")).data


async def test_tm6_parameters_of_the_list_hold_besides_filters(stock: Stock) -> None:
    found = (await stock.api.get(ANNA, "/recognitions?given_by=12,13&filter[given_by]=13&fields=id&limit=100")).data
    assert [row["id"] for row in found] == stock.expected({"given_by": 13}, ["-given_at"])
    hidden = await stock.api.get(MODERATOR, "/recognitions?status=hidden&sort=given_at")
    assert hidden.error["fields"] == {"status": "Does not go with filter, sort and fields."}
    tree = await stock.api.get(ANNA, "/core_values?tree=true&sort=text")
    assert set(tree.error["fields"]) == {"tree"}


async def test_tm6_core_values_by_text_parent_and_id(api: Api) -> None:
    root = await api.new_value("Élan")
    made = {text: await api.new_value(text, parent_core_value_id=root) for text in ("zeal", "Élan vital", "Care")}
    await api.new_value("Élan", FOREIGN_ADMIN)
    cases: list[tuple[dict[str, Any], list[int]]] = [
        ({"filter": {"text": "ÉLAN"}}, [root]),
        ({"filter": {"text": {"in": ["care", "ZEAL", "none"]}}}, [made["zeal"], made["Care"]]),
        ({"filter": {"text": {"prefix": "éla"}}}, [root, made["Élan vital"]]),
        ({"filter": {"text": {"prefix": "é"}}, "sort": ["-text"]}, [made["Élan vital"], root]),
        ({"sort": ["text"]}, [made["Care"], made["zeal"], root, made["Élan vital"]]),
        ({"filter": {"parent_core_value_id": root}}, list(made.values())),
        ({"filter": {"parent_core_value_id": {"in": [root, 4711]}, "text": {"prefix": "c"}}}, [made["Care"]]),
        ({"filter": {"id": {"gt": root}}, "sort": ["-id"]}, list(made.values())[::-1]),
        ({"filter": {"text": {"prefix": "%"}}}, []),
    ]
    for body, expected in cases:
        assert await ids(api, body, kind="core_values") == expected, body
        listed = await api.get(ANNA, f"/core_values?{as_parameters(body)}")
        assert [row["id"] for row in listed.data] == expected, body


async def test_tm6_nobody_finds_anothers_rows(stock: Stock) -> None:
    ours = {row["id"] for row in stock.rows}
    theirs = await ids(stock.api, {}, STRANGER)
    assert theirs
    assert ours.isdisjoint(theirs)
    for filters in ({"id": {"in": theirs}}, {"core_value_id": {"in": [1, 2, 3, 4]}}, {"given_by": 11}):
        assert set(await ids(stock.api, {"filter": filters})) <= ours
    cursor = (await ask(stock.api, {"limit": 1}, STRANGER)).meta["next_cursor"]
    assert set(await ids(stock.api, {"sort": ["-given_at"], "cursor": cursor})) <= ours


async def test_tm6_who_may_not_see_the_list_may_not_query_it(api: Api) -> None:
    for kind in ("recognitions", "core_values"):
        assert (await api.ask(None, "POST", f"/{kind}/query", {})).code == (401, "invalid_token")
        nameless = await ask(api, {}, Caller(1, Role.SUPER_ADMIN, None), kind)
        assert set(nameless.error["fields"]) == {"org_id"}


async def test_tm6_a_query_is_a_read_and_ignores_idempotency_keys(stock: Stock, world: World) -> None:
    for limit in (1, 2):
        reply = await stock.api.ask(CLEO, "POST", "/recognitions/query", {"limit": limit}, Idempotency_Key="same")
        assert len(reply.data) == limit
    assert await world.value("SELECT count(*) FROM idempotency_keys WHERE key LIKE '%same%'") == 0
