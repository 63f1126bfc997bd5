"""The feed: order, pages, filters, and that each uses its index."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from tests.component.recognition.world import ADMIN, ANNA, BEN, CLEO, MODERATOR, STRANGER, Api, World

FEED = "SELECT documents, last_at, last_id FROM feed($1, $2, $3, $4, $5, $6, $7, $8, $9)"


async def seven(api: Api) -> tuple[list[int], dict[str, int]]:
    """Seven recognitions, newest first, over two core values."""
    one, two = await api.new_value("One"), await api.new_value("Two")
    pairs = [
        (ANNA, BEN, one), (BEN, ANNA, two), (CLEO, ANNA, one), (ANNA, CLEO, two),
        (BEN, CLEO, one), (ANNA, BEN, two), (CLEO, BEN, one),
    ]  # fmt: skip
    ids = [await api.given(giver, receiver, value) for giver, receiver, value in pairs]
    return ids[::-1], {"one": one, "two": two}


async def test_an_empty_feed_is_an_empty_list(api: Api) -> None:
    answer = await api.get(ANNA, "/recognitions")
    assert (answer.status, answer.body) == (200, {"data": [], "meta": {"limit": 20, "offset": 0}})
    assert (await api.get(ANNA, "/recognitions?given_by=4711")).data == []


async def test_the_feed_is_newest_first_and_belongs_to_the_organisation(api: Api) -> None:
    ids, _ = await seven(api)
    assert await api.feed() == ids
    assert await api.feed(STRANGER) == []


async def test_cursors_walk_the_whole_feed_while_new_ones_arrive(api: Api) -> None:
    ids, values = await seven(api)
    seen: list[int] = []
    query = "/recognitions?limit=3"
    while True:
        page = await api.get(ANNA, query)
        seen += [row["id"] for row in page.data]
        await api.given(ANNA, BEN, values["one"])
        if "next_cursor" not in page.meta:
            break
        assert 'rel="next"' in page.headers["Link"]
        query = f"/recognitions?limit=3&cursor={page.meta['next_cursor']}"
    assert seen == ids


async def test_offsets_and_pages_are_the_same_thing(api: Api) -> None:
    ids, _ = await seven(api)
    assert await api.feed(query="?limit=2&offset=2") == ids[2:4]
    assert await api.feed(query="?page=2&page_size=2") == ids[2:4]
    assert await api.feed(query="?offset=100") == []
    last = await api.get(ANNA, "/recognitions?limit=2&offset=5&total=true")
    assert [row["id"] for row in last.data] == ids[5:]
    assert last.meta == {"limit": 2, "offset": 5, "total": 7}


async def test_each_filter_takes_one_id_or_a_list(api: Api) -> None:
    ids, values = await seven(api)
    whole = (await api.get(ANNA, "/recognitions")).data
    people = {ANNA.user_id, CLEO.user_id}
    by = ",".join(map(str, sorted(people)))
    assert await api.feed(query=f"?given_by={ANNA.user_id}") == [
        r["id"] for r in whole if r["given_by"] == ANNA.user_id
    ]
    assert await api.feed(query=f"?given_by={by}") == [r["id"] for r in whole if r["given_by"] in people]
    assert (
        await api.feed(query=f"?given_by={by},{by}&limit=2") == [r["id"] for r in whole if r["given_by"] in people][:2]
    )
    assert await api.feed(query=f"?given_for={by}") == [r["id"] for r in whole if r["given_for"] in people]
    two = values["two"]
    assert await api.feed(query=f"?core_value_id={two}") == [r["id"] for r in whole if r["core_value"]["id"] == two]
    assert await api.feed(query=f"?core_value_id={two},{values['one']}") == ids
    both = [r["id"] for r in whole if r["given_by"] in people and r["core_value"]["id"] == two]
    assert await api.feed(query=f"?given_by={by}&core_value_id={two}") == both
    mixed = f"?given_by={by}&given_for={BEN.user_id}&core_value_id={two}"
    assert await api.feed(query=mixed) == [ids[1]]
    counted = await api.get(ANNA, f"/recognitions{mixed}&total=true")
    assert counted.meta["total"] == 1


async def test_filtered_pages_follow_their_cursor(api: Api) -> None:
    await seven(api)
    query = f"?given_for={ANNA.user_id},{BEN.user_id},{CLEO.user_id}"
    whole = await api.feed(query=query)
    first = await api.get(ANNA, f"/recognitions{query}&limit=4")
    rest = await api.feed(query=f"{query}&limit=4&cursor={first.meta['next_cursor']}")
    assert [row["id"] for row in first.data] + rest == whole


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("given_by=a", "given_by"),
        ("given_by=1,,2", "given_by"),
        ("given_for=0", "given_for"),
        ("core_value_id=1.5", "core_value_id"),
        ("core_value_id=" + ",".join("1" * 101), "core_value_id"),
        ("status=deleted", "status"),
        ("cursor=nonsense", "cursor"),
        ("cursor=WzEsMiwzXQ", "cursor"),
    ],
)
async def test_a_wrong_query_is_refused_by_name(api: Api, query: str, field: str) -> None:
    answer = await api.get(ANNA, f"/recognitions?{query}")
    assert answer.code == (400, "invalid_data")
    assert set(answer.error["fields"]) == {field}


async def test_hidden_ones_are_for_moderators_and_admins(api: Api, world: World) -> None:
    ids, _ = await seven(api)
    await world.hides(ids[0], 1)
    await world.hides(ids[3], 1)
    assert await api.feed() == await api.feed(MODERATOR) == [ids[1], ids[2], *ids[4:]]
    for caller in (MODERATOR, ADMIN):
        assert await api.feed(caller, "?status=hidden") == [ids[0], ids[3]]
        assert await api.feed(caller, f"?status=hidden&given_by={CLEO.user_id}") == [ids[0]]
        assert (await api.get(caller, f"/recognitions/{ids[0]}")).status == 200
    hidden = await api.get(MODERATOR, "/recognitions?status=hidden&limit=1&total=true")
    assert hidden.meta["total"] == 2
    assert await api.feed(MODERATOR, f"?status=hidden&cursor={hidden.meta['next_cursor']}") == [ids[3]]
    assert (await api.get(ANNA, "/recognitions?status=hidden")).code == (403, "access_denied")
    gone, unknown = await api.get(ANNA, f"/recognitions/{ids[0]}"), await api.get(ANNA, "/recognitions/4711")
    assert gone.status == 404
    assert gone.body == unknown.body
    assert (await api.get(ANNA, f"/recognitions/{ids[0]}/hi5")).status == 404
    assert (await api.get(MODERATOR, f"/recognitions/{ids[0]}/hi5")).status == 200
    assert (await api.hi5(CLEO, ids[3])).code == (400, "invalid_data")


async def test_the_feed_has_an_entity_tag(api: Api) -> None:
    ids, _ = await seven(api)
    first = await api.get(ANNA, "/recognitions")
    assert (await api.get(ANNA, "/recognitions", If_None_Match=first.headers["ETag"])).status == 304
    await api.hi5(ANNA, ids[0])
    assert (await api.get(ANNA, "/recognitions", If_None_Match=first.headers["ETag"])).status == 200


MANY = """
INSERT INTO recognition.recognitions (org_id, given_by, given_for, core_value_id, text, given_at)
SELECT 1, 2 * (number % 500) + 1, 2 * (number % 499) + 2, $1, 'Thanks', now() - number * interval '1 second'
FROM generate_series(1, 50000) AS number
"""
READ = """
SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) AS rows FROM pg_stat_xact_user_tables WHERE relname = 'recognitions'
"""


@pytest.mark.parametrize(
    ("receivers", "givers", "values"),
    [
        (None, None, False),
        ([2], None, False),
        ([2, 4, 6], None, False),
        (None, [1], False),
        (None, [1, 3, 5], False),
        (None, None, True),
        ([2, 4], [1, 3], True),
    ],
)
async def test_every_filter_reads_little_of_a_large_feed(
    api: Api, world: World, receivers: list[int] | None, givers: list[int] | None, values: bool
) -> None:
    value_id = await api.new_value()
    admin = await asyncpg.connect(world.admin_url)
    await admin.execute(MANY, value_id)
    await admin.execute("ANALYZE recognition.recognitions")
    await admin.close()
    async with world.database.transaction(1) as tx:
        filters = (receivers, givers, [value_id] if values else None, False)
        for _ in range(7):  # beyond the fifth, PostgreSQL may settle for a plan that knows no values
            await tx.fetchrow(FEED, 1, *filters, None, None, 0, 20)
        before = await tx.fetchval(READ)
        found = await tx.fetchrow(FEED, 1, *filters, None, None, 0, 20)
        read = await tx.fetchval(READ) - before
    assert found is not None
    assert 20 <= read < 600, f"{read} of 50,000 rows read"


async def test_pages_at_once_do_not_mix_organisations(api: Api) -> None:
    ids, _ = await seven(api)
    pages = await asyncio.gather(*(api.feed(caller) for _ in range(30) for caller in (ANNA, STRANGER)))
    assert pages == [ids, []] * 30
