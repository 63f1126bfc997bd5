"""Exports: everything that a query selects, as a stream in little memory, and never a formula."""

from __future__ import annotations

import csv
import io
import time
import tracemalloc
from typing import Any

import aiohttp
import orjson
import pytest

from services.recognition.exporting import HEADER, harmless
from shared.http import streaming
from shared.query import walking
from tests.component.recognition.stock import Stock, stocked
from tests.component.recognition.world import (
    ADMIN,
    ANNA,
    BEN,
    FOREIGN_ADMIN,
    MODERATOR,
    SUPER_ADMIN,
    Api,
    World,
)
from tests.support.api import ACME, Caller
from tests.support.waiting import eventually

CSV, NDJSON = "/exports/recognitions.csv", "/exports/recognitions.ndjson"
MANY, SOME = 100_000, 40_000
MEBIBYTE = 2**20
FILL = """
INSERT INTO recognitions (org_id, given_by, given_for, core_value_id, text, given_at)
SELECT {org_id}, 11 + number % 2, 13, {value}, 'Thanks', to_timestamp(1700000000 + number)
FROM generate_series(1, {many}) AS number
"""


@pytest.fixture
async def stock(api: Api, world: World) -> Stock:
    return await stocked(api, world)


async def exported(api: Api, query: str = "", caller: Caller = ADMIN) -> list[list[str]]:
    """The cells of the lines, without the header."""
    reply = await api.get(caller, f"{CSV}{query}")
    assert reply.status == 200, reply.raw
    header, *lines = csv.reader(io.StringIO(reply.raw.decode(), newline=""), strict=True)
    assert tuple(header) == HEADER
    return lines


async def test_all_recognitions_that_are_visible_are_in_it(api: Api, stock: Stock) -> None:
    lines = await exported(api)
    assert [int(line[0]) for line in lines] == stock.expected({}, ["-given_at"])
    rows = {row["id"]: row for row in stock.rows}
    for line in lines:
        row = rows[int(line[0])]
        assert [int(line[place]) for place in (1, 2, 4, 6)] == [
            int(row["given_at"]), row["given_by"], row["given_for"], row["core_value_id"]
        ]  # fmt: skip
        assert line[3] in {"Anna T.", "Ben T.", "Cleo T."}


async def test_filters_and_sorts_are_those_of_queries(api: Api, stock: Stock) -> None:
    between = "filter[given_at][ge]=1700000020&filter[given_at][lt]=1700000090"
    some = [row["id"] for row in stock.rows][:5]
    for query, filters, sort in (
        ("filter[given_by]=11", {"given_by": 11}, ["-given_at"]),
        (f"{between}&sort=given_at", {"given_at": {"ge": 1700000020, "lt": 1700000090}}, ["given_at"]),
        (f"filter[id][in]={','.join(map(str, some))}&sort=id", {"id": {"in": some}}, ["id"]),
        ("sort=-id", {}, ["-id"]),
    ):
        lines = await exported(api, f"?{query}")
        assert [int(line[0]) for line in lines] == stock.expected(filters, sort), query
    for own, filters in (
        ("given_by=11", {"given_by": 11}),
        ("given_for=12,13&status=visible", {"given_for": {"in": [12, 13]}}),
        (f"core_value_id={stock.values[0]}&filter[given_by]=11", {"core_value_id": stock.values[0], "given_by": 11}),
        ("given_by=999999", {"given_by": 999999}),
    ):
        lines = await exported(api, f"?{own}")
        assert [int(line[0]) for line in lines] == stock.expected(filters, ["-given_at"]), own
    [number] = await exported(api, "?filter[text][contains]=thanks 11")
    assert number[8] == "Thanks 11"
    assert await exported(api, "?filter[given_by]=4711") == []


async def test_ndjson_has_each_recognition_as_it_is_shown(api: Api, stock: Stock) -> None:
    reply = await api.get(ADMIN, f"{NDJSON}?filter[given_by]=11")
    rows = [orjson.loads(line) for line in reply.raw.splitlines()]
    assert [row["id"] for row in rows] == stock.expected({"given_by": 11}, ["-given_at"])
    assert rows[0] == (await api.get(ANNA, f"/recognitions/{rows[0]['id']}")).data
    nothing = await api.get(ADMIN, f"{NDJSON}?filter[given_by]=4711")
    assert (nothing.status, nothing.raw) == (200, b"")


async def test_headers_tell_a_file_to_be_kept_by_nobody(api: Api, stock: Stock) -> None:
    for path, media_type, name in ((CSV, "text/csv", "csv"), (NDJSON, "application/x-ndjson", "ndjson")):
        for reply in (await api.get(ADMIN, path), await api.ask(ADMIN, "HEAD", path)):
            assert reply.headers["Content-Type"] == f"{media_type}; charset=utf-8"
            assert reply.headers["Content-Disposition"] == f'attachment; filename="recognitions.{name}"'
            assert reply.headers["Cache-Control"] == "no-store"
            assert "Content-Length" not in reply.headers
        assert (await api.ask(ADMIN, "HEAD", path)).raw == b""


async def test_s4_exports_are_for_admins(api: Api, stock: Stock) -> None:
    for path in (CSV, NDJSON):
        for caller in (ANNA, MODERATOR):
            assert (await api.get(caller, path)).code == (403, "access_denied")
        assert (await api.get(None, path)).code == (401, "invalid_token")
        assert (await api.get(SUPER_ADMIN, path)).error["fields"].keys() == {"org_id"}
        root, ours = await api.get(SUPER_ADMIN, f"{path}?org_id={ACME}"), await api.get(ADMIN, path)
        assert root.raw == ours.raw
        theirs = await api.get(FOREIGN_ADMIN, path)
        assert not set(theirs.raw.splitlines()[1:]) & set(ours.raw.splitlines()[1:])


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("filter[text][prefix]=a", "filter[text][prefix]"),
        ("filter[nothing]=1", "filter[nothing]"),
        ("filter[given_by]=x", "filter[given_by]"),
        ("filter[given_by]=11&sort=id", "sort"),
        ("sort=text", "sort"),
        ("given_by=x", "given_by"),
        ("given_By=11", "given_By"),
        ("from=5", "from"),
        ("limit=5", "limit"),
        ("fields=id", "fields"),
        ("status=hidden", "status"),
        ("given_by=11&given_by=12", "given_by"),
        ("filter[given_by]=11&filter[id][gt]=5&filter[given_at][ge]=5&sort=-id", "sort"),
    ],
)
async def test_what_no_query_takes_no_export_takes(api: Api, query: str, wrong: str) -> None:
    reply = await api.get(ADMIN, f"{CSV}?{query}")
    assert (reply.status, list(reply.error["fields"])) == (400, [wrong])
    assert (await api.ask(ADMIN, "HEAD", f"{CSV}?{query}")).status == 400


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", '=cmd|"/c calc"!A1', "＝1+1", '=HYPERLINK("http://x","y")']


async def test_s28_no_cell_is_a_formula(api: Api, world: World) -> None:
    value = await api.new_value("=2+2")
    harmless_texts = ['a "quoted", one', "two\r\nlines", "a;b\tc", "'already", "Ünïcode 👏"]
    for text in FORMULAS + harmless_texts:
        await api.given(ANNA, BEN, value, text)
    lines = await exported(api, "?sort=id")
    assert [line[8] for line in lines] == [f"'{text}" for text in FORMULAS] + harmless_texts
    assert {line[7] for line in lines} == {"'=2+2"}
    rows = (await api.get(ADMIN, f"{NDJSON}?sort=id")).raw.splitlines()
    assert [orjson.loads(row)["text"] for row in rows] == FORMULAS + harmless_texts
    assert [harmless(f"{first}x") for first in "\t\r\n"] == ["'\tx", "'\rx", "'\nx"]


async def filled(api: Api, world: World, count: int) -> None:
    """So many recognitions; triggers rest meanwhile."""
    value = await api.new_value()
    fill = FILL.format(org_id=ACME, value=value, many=count)
    await world.as_administrator("SET session_replication_role = replica", fill, "ANALYZE recognitions")


@pytest.fixture
async def some(api: Api, world: World) -> None:
    """More than what fits between a service and a client who does not read."""
    await filled(api, world, SOME)


async def test_s47_a_hundred_thousand_rows_leave_memory_flat(api: Api, world: World) -> None:
    await filled(api, world, MANY)
    headers = {"Authorization": f"Bearer {ADMIN.token}"}
    began = time.perf_counter()
    lines, first_byte = 0, 0.0
    tracemalloc.start()
    try:
        async with api.session.get(api.address + NDJSON, headers=headers) as answer:
            async for chunk in answer.content.iter_any():
                first_byte = first_byte or time.perf_counter() - began
                lines += chunk.count(b"\n")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert lines == MANY
    assert peak < 8 * MEBIBYTE
    assert first_byte < (time.perf_counter() - began) / 4


async def reading(api: Api, caller: Caller = ADMIN, path: str = NDJSON, **headers: str) -> aiohttp.ClientResponse:
    """An export whose body is not read yet."""
    sent = {"Authorization": f"Bearer {caller.token}", **{name.replace("_", "-"): one for name, one in headers.items()}}
    return await api.session.get(api.address + path, headers=sent)


async def test_s47_an_organisation_has_one_export_at_once(api: Api, world: World, some: None) -> None:
    first = await reading(api)
    assert first.status == 200
    second = await api.get(ADMIN, f"{CSV}?filter[given_by]=4711")
    assert second.code == (429, "rate_limited")
    assert int(second.headers["Retry-After"]) > 0
    assert (await api.get(FOREIGN_ADMIN, CSV)).status == 200
    first.close()  # a client that goes away gives its place back

    async def third() -> bool:
        return (await api.get(ADMIN, f"{CSV}?filter[given_by]=4711")).status == 200

    await eventually(third)
    assert (await api.get(ADMIN, f"{CSV}?filter[given_by]=4711")).status == 200


async def broken_off(answer: aiohttp.ClientResponse) -> bool:
    """Whether the body ends without its end."""
    try:
        await answer.read()
    except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError):
        return True
    return False


async def test_an_export_ends_when_its_client_waits_no_longer(api: Api, some: None) -> None:
    answer = await reading(api, X_Request_Timeout="0.3")
    assert answer.status == 200
    assert await broken_off(answer)


async def test_a_client_that_takes_nothing_is_cut_off(api: Api, some: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "STALLED_SECONDS", 0.2)
    answer = await reading(api)

    async def place_is_free() -> bool:
        return (await api.get(ADMIN, f"{CSV}?filter[given_by]=4711")).status == 200

    await eventually(place_is_free)
    assert await broken_off(answer)


async def test_a_page_that_cannot_be_read_is_tried_again_and_then_breaks_the_export_off(
    api: Api, some: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = walking._rows, []

    async def failing(*arguments: Any) -> Any:
        asked.append(arguments)
        if len(asked) in {2, 3} or len(asked) > 6:
            raise TimeoutError
        return await real(*arguments)

    monkeypatch.setattr(walking, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(walking, "_rows", failing)
    assert await broken_off(await reading(api))
    assert len(asked) == 9


async def test_what_is_given_meanwhile_moves_no_other_row(
    api: Api, stock: Stock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages of three rows, and something new before each of them."""
    from services.recognition.routes import exports

    real = walking._rows

    async def giving(*arguments: Any) -> Any:
        await api.given(ANNA, BEN, stock.values[0])
        return await real(*arguments)

    monkeypatch.setattr(exports, "PAGE", 3)
    monkeypatch.setattr(walking, "_rows", giving)
    lines = await exported(api)
    assert [int(line[0]) for line in lines] == stock.expected({}, ["-given_at"])
