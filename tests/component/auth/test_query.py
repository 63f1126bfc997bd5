"""Queries of people over HTTP, against a plain model of the same rows."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from services.auth.domain.names import fold, fold_email
from services.auth.domain.profiles import profile_of_names
from services.auth.store.people import add_people
from shared.identity import Role
from tests.component.auth.world import World
from tests.support.api import Reply

NAMES = ("Ann", "ANNA", "Åsa", "Émile", "Zoë", "ﬁona")
ROWS = """
SELECT id, email, first_name, last_name, display_name, role_id, extract(epoch FROM created_at)::float8 AS created_at
FROM users WHERE org_id = $1 AND soft_delete_at IS NULL
"""
TEXTS = ("email", "first_name", "last_name", "display_name")


@dataclass(frozen=True, slots=True)
class Staff:
    """Who is here, as the model knows it."""

    world: World
    rows: Sequence[Mapping[str, Any]]

    def expected(self, filters: Mapping[str, Any], sort: Sequence[str]) -> list[int]:
        found = [row for row in self.rows if all(fits(row, name, given) for name, given in filters.items())]
        for key in reversed([*sort, "-id" if sort[-1][0] == "-" else "id"]):
            name = key.lstrip("-")
            found = sorted(found, key=lambda row: compared(name, row[name]), reverse=key[0] == "-")
        return [row["id"] for row in found]

    async def ask(self, body: Mapping[str, Any], who: str | None = "emil") -> Reply:
        return await self.world.post(who, "/users/query", body)

    async def ids(self, body: Mapping[str, Any], who: str = "emil") -> list[int]:
        return [row["id"] for row in (await self.ask({"limit": 100, **body}, who)).data]


def compared(name: str, value: Any) -> Any:
    if name not in TEXTS:
        return value
    return (fold_email if name == "email" else fold)(value).encode()


def fits(row: Mapping[str, Any], name: str, by_operator: Mapping[str, Any]) -> bool:
    mine: Any = int(row[name]) if name == "created_at" else compared(name, row[name])
    checks: dict[str, Any] = {
        "eq": lambda value: mine == compared(name, value),
        "ne": lambda value: mine != value,
        "in": lambda value: mine in [compared(name, one) for one in value],
        "lt": lambda value: mine < value,
        "le": lambda value: mine <= value,
        "gt": lambda value: mine > value,
        "ge": lambda value: mine >= value,
        "prefix": lambda value: mine.startswith(compared(name, value)),
    }
    return all(checks[operator](value) for operator, value in by_operator.items())


@pytest.fixture
async def staff(world: World) -> Staff:
    for org_id, domain in ((world.acme, "acme.test"), (world.globex, "globex.test")):
        people = [
            (f"{name}{number}@{domain}", profile_of_names(name, NAMES[number % 6]), Role(2 + number % 3))
            for number, name in enumerate(NAMES * 4)
        ]
        async with world.context.database.transaction(org_id) as tx:
            made = await add_people(tx, people)
        await world.owner.execute(
            "UPDATE users SET created_at = to_timestamp(1700000000 + (id / 3) * 10 + 0.5) WHERE org_id = $1", org_id
        )
        await world.owner.execute("UPDATE users SET soft_delete_at = now() WHERE id = $1", made[7].id)
    return Staff(world, [dict(row) for row in await world.owner.fetch(ROWS, world.acme)])


def with_their_sorts(staff: Staff) -> list[tuple[dict[str, Any], str]]:
    """Every filter alone and several together, each with a sort that goes with it."""
    some = sorted(row["id"] for row in staff.rows)
    at = int(staff.rows[len(some) // 2]["created_at"])
    mail = next(row["email"] for row in staff.rows if row["first_name"] == "ANNA")
    names = ("first_name", "last_name", "display_name")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"id": {operator: some[6]}}, "id") for operator in ("ne", "lt", "le", "gt", "ge")
    ]
    cases += [({"created_at": {operator: at}}, "created_at") for operator in ("eq", "lt", "le", "gt", "ge")]
    cases += [({name: {"prefix": prefix}}, name) for name in TEXTS for prefix in ("an", "É", "FI", "%")]
    cases += [({name: {"eq": "anna"}}, "id") for name in names]
    cases += [({name: {"in": ["anna", "Zoë", "nobody"]}}, "id") for name in names]
    cases += [({"role_id": given}, "id") for given in ({"eq": 3}, {"ne": 4}, {"in": [2, 4]})]
    cases += [({}, sort) for sort in ("id", "created_at", *TEXTS)]
    cases += [({"id": {"eq": some[2]}}, sort) for sort in ("id", "created_at", "email")]
    cases += [
        ({"id": {"in": some[:9]}, "role_id": {"ne": 2}, "first_name": {"prefix": "a"}}, "last_name"),
        ({"email": {"eq": mail.upper()}}, "created_at"),
        ({"email": {"in": [mail, "x@y.test"]}, "created_at": {"ge": 0}}, "email"),
        ({"last_name": {"eq": "anna"}, "first_name": {"prefix": "a"}, "role_id": {"ne": 4}}, "id"),
        ({"first_name": {"in": ["Ann", "Åsa"]}, "last_name": {"in": ["ann", "ÅSA"]}, "id": {"gt": some[8]}}, "id"),
        ({"created_at": {"ge": at - 20, "lt": at + 20}}, "created_at"),
    ]
    return cases


async def test_tm6_every_filter_and_sort_finds_what_the_model_finds_in_both_forms(staff: Staff) -> None:
    found_some = 0
    for (filters, name), way in itertools.product(with_their_sorts(staff), ("", "-")):
        expected = staff.expected(filters, [way + name])
        assert await staff.ids({"filter": filters, "sort": [way + name]}) == expected, (filters, way + name)
        query = [("sort", way + name), ("fields", "id"), ("limit", "100")]
        for field, by_operator in filters.items():
            for operator, value in by_operator.items():
                text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
                query.append((f"filter[{field}][{operator}]", text))
        reply = await staff.world.get("emil", f"/users?{urlencode(query)}")
        assert reply.data == [{"id": one} for one in expected], query
        found_some += bool(expected)
    assert found_some > 60


async def test_p23_cursors_walk_through_every_sort(staff: Staff) -> None:
    for name, way in itertools.product(("id", "created_at", *TEXTS), ("", "-")):
        body: dict[str, Any] = {"sort": [way + name], "limit": 6, "total": True}
        walked: list[int] = []
        while True:
            page = await staff.ask(body)
            walked += [row["id"] for row in page.data]
            if "next_cursor" not in page.meta:
                break
            body["cursor"] = page.meta["next_cursor"]
        assert walked == staff.expected({}, [way + name])
        assert page.meta["total"] == len(walked)


async def test_p23_without_a_sort_it_is_the_first_order_that_goes(staff: Staff) -> None:
    assert await staff.ids({}) == staff.expected({}, ["id"])
    for name in TEXTS:
        filters = {name: {"prefix": "a"}}
        assert await staff.ids({"filter": filters}) == staff.expected(filters, [name])


async def test_p23_the_longest_names_have_cursors(staff: Staff) -> None:
    for number in range(2):
        names = {"first_name": "A", "last_name": "Z", "display_name": f"{number}" + "𝒵" * 79}
        assert (await staff.world.put(("emil", "mona")[number], "/users/me", names)).status == 200
    first = await staff.ask({"sort": ["display_name"], "limit": 1})
    again = await staff.world.get("emil", f"/users?sort=display_name&limit=1&cursor={first.meta['next_cursor']}")
    assert [row["id"] for row in (*first.data, *again.data)] == [staff.world.id_of(who) for who in ("emil", "mona")]


async def test_p23_fields_and_documents_are_those_of_the_list(staff: Staff) -> None:
    listed = (await staff.world.get("emil", "/users?limit=100")).data
    assert (await staff.ask({"limit": 100})).data == listed
    picked = (await staff.ask({"limit": 100, "fields": ["email", "hi5_quota_balance"]})).data
    assert picked == [{name: row[name] for name in ("email", "hi5_quota_balance")} for row in listed]


async def test_pa6_pages_are_on_queries_of_people(staff: Staff) -> None:
    expected = staff.expected({}, ["-email"])
    assert await staff.ids({"sort": ["-email"], "limit": 5, "offset": 5}) == expected[5:10]
    reply = await staff.ask({"sort": ["-email"], "page": 2, "page_size": 5, "total": True})
    assert [row["id"] for row in reply.data] == expected[5:10]
    assert (reply.meta["limit"], reply.meta["offset"], reply.meta["total"]) == (5, 5, len(expected))


async def test_tm6_nobody_finds_anothers_people(staff: Staff) -> None:
    theirs = [row["id"] for row in await staff.world.owner.fetch(ROWS, staff.world.globex)]
    mail = staff.world.email_of("gina")
    for filters in ({"id": {"in": theirs}}, {"email": mail}, {"email": {"prefix": mail[:6]}}, {"id": theirs[0]}):
        assert await staff.ids({"filter": filters}) == []
    assert set(await staff.ids({"filter": {"first_name": {"prefix": "a"}}}, "gus")) <= set(theirs)


async def test_tm6_nobody_finds_who_has_left(staff: Staff) -> None:
    gone = staff.world.id_of("abe")
    await staff.world.delete("ada", f"/users/{gone}")
    for filters in ({"id": gone}, {"email": staff.world.email_of("abe")}, {"first_name": "Abe"}):
        assert await staff.ids({"filter": filters}, "ada") == []


async def test_tm6_who_may_query_people(staff: Staff) -> None:
    assert (await staff.ask({}, None)).status == 401
    assert set((await staff.ask({}, "root")).error["fields"]) == {"org_id"}
    found = await staff.world.post("root", f"/users/query?org_id={staff.world.globex}", {"filter": {"role_id": 2}})
    assert staff.world.id_of("gus") in [row["id"] for row in found.data]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"filter": {"first_name": {"prefix": "a"}}, "sort": ["id"]}, {"sort"}),
        ({"filter": {"role_id": 3, "first_name": {"prefix": "a"}}}, {"filter.role_id", "filter.first_name"}),
        ({"filter": {"role_id": 5, "email": {"contains": "a"}}}, {"filter.role_id.eq", "filter.email.contains"}),
        ({"filter": {"google_subject": "1", "soft_delete_at": 1}}, {"filter.google_subject", "filter.soft_delete_at"}),
        ({"fields": ["google_subject"], "sort": ["folded_email"]}, {"fields", "sort"}),
        ({"filter": {"first_name": {"prefix": " "}}}, {"filter.first_name.prefix"}),
    ],
)
async def test_tm6_what_is_wrong_is_named(world: World, body: dict[str, Any], fields: set[str]) -> None:
    reply = await world.post("emil", "/users/query", body)
    assert (reply.code, set(reply.error["fields"])) == ((400, "invalid_data"), fields)


async def test_tm6_parameters_of_the_list_hold_besides_filters(staff: Staff) -> None:
    found = (await staff.world.get("emil", "/users?role_id=2&sort=id&limit=100")).data
    assert [row["id"] for row in found] == staff.expected({"role_id": {"eq": 2}}, ["id"])
    refused = await staff.world.get("ada", "/users?starts_with=a&include_deleted=true&sort=id")
    assert set(refused.error["fields"]) == {"starts_with", "include_deleted"}
    foreign = await staff.world.get("ada", f"/users?org_id={staff.world.globex}&sort=id")
    assert foreign.status == 403


async def test_tm6_no_word_of_a_client_becomes_sql(staff: Staff) -> None:
    for word in ("' OR 1=1 --", "'; DROP TABLE users; --", "%", "_", "$1", "{now}", "\\", "a\u0000b", "first_name) --"):
        for body in ({"filter": {word: 1}}, {"sort": [word]}, {"fields": [word]}, {"filter": {"email": {word: "a"}}}):
            assert (await staff.ask(body)).status == 400, body
        for name, operator in itertools.product(TEXTS, ("eq", "prefix")):
            reply = await staff.ask({"filter": {name: {operator: word}}})
            assert reply.status == 400 if "\0" in word else reply.data == [], (name, operator, word)
    assert len(await staff.ids({})) == len(staff.rows)
