"""What is wrong with a query is told by name, and no word of a client becomes SQL."""

from __future__ import annotations

from typing import Any

import pytest
from yarl import URL

from tests.component.recognition.stock import MAKE, START, Stock, as_parameters, ask, ids, stocked
from tests.component.recognition.world import (
    ANNA,
    Api,
    World,
)
from tests.support.api import ACME


@pytest.fixture
async def stock(api: Api, world: World) -> Stock:
    return await stocked(api, world)


async def test_p23_a_cursor_of_another_sort_is_refused(stock: Stock) -> None:
    newest = (await ask(stock.api, {"sort": ["-given_at"], "limit": 1})).meta["next_cursor"]
    of_list = (await stock.api.get(ANNA, "/recognitions?limit=1")).meta["next_cursor"]
    for cursor, sort in ((newest, "given_at"), (newest, "-id"), (of_list, "-given_at"), ("x", "-given_at")):
        reply = await ask(stock.api, {"sort": [sort], "cursor": cursor})
        assert (reply.status, set(reply.error["fields"])) == (400, {"cursor"})


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"filter": {"text": "x", "hi5_count": 1}}, {"filter.text", "filter.hi5_count"}),
        (
            {"filter": {"given_by": {"gt": 1, "in": 2}, "nope": 1}},
            {f"filter.{name}" for name in ("given_by.gt", "given_by.in", "nope")},
        ),
        ({"filter": {"given_by": "x", "given_at": {"ge": True}}}, {"filter.given_by.eq", "filter.given_at.ge"}),
        ({"filter": {"id": {"in": []}, "given_for": {}}}, {"filter.id.in", "filter.given_for"}),
        ({"filter": []}, {"filter"}),
        ({"sort": ["hi5_count"]}, {"sort"}),
        ({"sort": ["id", "-id"], "fields": ["nope"], "limit": 0}, {"sort", "fields", "limit"}),
        ({"sort": "id", "fields": []}, {"sort", "fields"}),
        ({"filters": {}, "Sort": []}, {"filters", "Sort"}),
        ({"filter": {"given_by": 11}, "sort": ["id"]}, {"sort"}),
        ({"filter": {"core_value_id": 1, "id": {"lt": 5}}}, {"filter.core_value_id", "filter.id"}),
        ({"cursor": "x", "offset": 1}, {"offset"}),
    ],
)
async def test_tm6_what_is_wrong_is_named(api: Api, body: dict[str, Any], fields: set[str]) -> None:
    reply = await ask(api, body)
    assert (reply.code, set(reply.error["fields"])) == ((400, "invalid_data"), fields)
    assert all(text.endswith(".") for text in reply.error["fields"].values())


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("filter[text]=x&filter[nope][eq]=1", {"filter[text]", "filter[nope][eq]"}),
        ("filter[given_by][gt]=1", {"filter[given_by][gt]"}),
        ("filter=1&filter[=2&filters=3", {"filter", "filter[", "filters"}),
        ("filter[given_by][in]=1,x&sort=text", {"filter[given_by][in]", "sort"}),
        ("filter[id][lt]=1&filter[id][lt]=2", {"filter[id][lt]"}),
        ("fields=id,,text", {"fields"}),
        ("filter[given_by]=1&sort=-id", {"sort"}),
        ("filter[core_value_id]=1&filter[id][lt]=5", {"filter[core_value_id]", "filter[id]"}),
    ],
)
async def test_tm6_what_is_wrong_in_a_query_string_is_named(api: Api, query: str, fields: set[str]) -> None:
    reply = await api.get(ANNA, f"/recognitions?{query}")
    assert (reply.code, set(reply.error["fields"])) == ((400, "invalid_data"), fields)


INJECTIONS = (
    "' OR 1=1 --", '"; DROP TABLE recognitions; --', "1); SELECT pg_sleep(5); --", "$1", "%", "\\", "{0}", "{now}",
    "id) OR (1=1", "-given_at; --", "\u0000", "😀", "' || tenant() || '",
)  # fmt: skip


async def test_tm6_no_word_of_a_client_becomes_sql(stock: Stock) -> None:
    for word in INJECTIONS:
        for body in (
            {"filter": {word: 1}}, {"filter": {"given_by": word}}, {"filter": {"given_by": {word: 1}}},
            {"filter": {"given_by": {"in": [word]}}}, {"sort": [word]}, {"fields": [word]}, {"cursor": word}, {word: 1},
        ):  # fmt: skip
            reply = await ask(stock.api, body)
            assert (reply.status, reply.error["code"]) == (400, "invalid_data"), body
            if "\0" not in word:
                listed = await stock.api.get(ANNA, f"/recognitions?sort=id&{as_parameters(body)}")
                assert listed.status in {200, 400}, body
        said = await ask(stock.api, {"filter": {"text": {"contains": word}}})
        assert said.status == (400 if "\0" in word else 200), word
        for operator, value in (("eq", word), ("in", [word]), ("prefix", word)):
            reply = await ask(stock.api, {"filter": {"text": {operator: value}}}, kind="core_values")
            assert reply.status == 400 or reply.data == [], (operator, word)
    assert len(await ids(stock.api, {})) == len(stock.rows)


@pytest.mark.parametrize(
    "name", ["filter[%ff]", "filter[%ed%a0%80]", "filter%00", "filter[given_by", "filter%5B%27%5D"]
)
async def test_tm6_names_that_are_no_text_are_refused(api: Api, name: str) -> None:
    path = f"{api.address}/recognitions?{name}=1"
    async with api.session.get(URL(path, encoded=True), headers={"Authorization": f"Bearer {ANNA.token}"}) as reply:
        assert (reply.status, (await reply.json())["error"]["code"]) == (400, "invalid_data")


async def test_tm6_words_that_too_many_have_are_refused_by_name(stock: Stock, world: World) -> None:
    many = MAKE.replace("0, 39", "1000, 2259").replace("Thanks ", "Everywhere ")
    await world.rows(many, ACME, stock.values, START, org_id=ACME)
    reason = "More than 1000 have it. Say more."
    body = await ask(stock.api, {"filter": {"text": {"contains": "everywhere"}}})
    query = await stock.api.get(ANNA, "/recognitions?filter[text][contains]=everywhere")
    assert (body.status, body.error["fields"]) == (400, {"filter.text.contains": reason})
    assert (query.status, query.error["fields"]) == (400, {"filter[text][contains]": reason})
    assert len(await ids(stock.api, {"filter": {"text": {"contains": "everywhere 1000"}}})) == 1
