"""Recognitions by the words in them, for the organisation that has them."""

from __future__ import annotations

import itertools

import pytest

from tests.component.recognition.stock import NUMBERS, SORTS, Stock, ids, stocked, together
from tests.component.recognition.world import (
    ANNA,
    OTHER_STRANGER,
    STRANGER,
    Api,
    World,
)
from tests.support.api import ACME, GLOBEX


@pytest.fixture
async def stock(api: Api, world: World) -> Stock:
    return await stocked(api, world)


async def test_tm6_recognitions_are_found_by_their_words(stock: Stock, world: World) -> None:
    numbers = {row["id"]: row["number"] for row in await world.rows(NUMBERS, org_id=ACME)}
    visible = {row["id"]: numbers[row["id"]] for row in stock.rows}
    [seventh] = [one for one, number in visible.items() if number == 7]
    for words in ("Thanks 7", "7 THANKS", "thanks, 7!"):
        assert await ids(stock.api, {"filter": {"text": {"contains": words}}}) == [seventh]
    for words in ("thank", "Thanks 7 7000", "...", "18", "9"):
        assert await ids(stock.api, {"filter": {"text": {"contains": words}}}) == []
    everything = {"text": {"contains": "thanks"}}
    for filters, sort in itertools.product(together(stock), SORTS[1:]):
        expected = stock.expected(filters, sort or [])
        assert await ids(stock.api, {"filter": {**filters, **everything}, "sort": sort}) == expected
    listed = await stock.api.get(ANNA, "/recognitions?filter[text][contains]=thanks+7&fields=id")
    assert listed.data == [{"id": seventh}]


async def test_tm6_words_of_another_organisation_find_nothing(stock: Stock) -> None:
    value = (await stock.api.get(STRANGER, "/core_values")).data[0]["id"]
    made = await stock.api.given(STRANGER, OTHER_STRANGER, value, "A secret of Globex")
    secret = {"filter": {"text": {"contains": "secret"}}}
    assert (await ids(stock.api, secret), await ids(stock.api, secret, STRANGER)) == ([], [made])
    assert await ids(stock.api, {"filter": {"text": {"contains": f"{GLOBEX}:secret"}}}) == []


async def test_tm6_the_search_runs_with_other_rights_than_the_service_and_few(world: World) -> None:
    [found] = await world.rows(
        "SELECT pg_get_userbyid(proowner) AS owner, has_function_privilege('public', oid, 'EXECUTE') AS open, proconfig"
        " FROM pg_proc WHERE prosecdef AND proname = 'recognitions_saying'"
    )
    assert (found["owner"], found["open"]) == ("peerly_recognition_definer", False)
    assert "search_path=recognition, pg_temp" in found["proconfig"]
    may = "SELECT has_column_privilege('peerly_recognition_definer', 'recognition.recognitions', $1, 'SELECT')"
    assert {name for name in ("given_by", "given_for", "given_at", "id", "text") if await world.value(may, name)} == {
        "id",
        "text",
    }
    async with world.database.transaction() as tx:
        assert await tx.fetchval("SELECT recognitions_saying('thanks', 10)") == []
