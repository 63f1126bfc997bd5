"""GET /directory (TM-9): basic data of colleagues, found by a prefix; phone and department on profiles."""

from __future__ import annotations

from typing import Any

from services.auth.domain.profiles import profile_of_names
from services.auth.queries.directory import list_entries
from services.auth.store.people import add_people
from services.importing.outcome import Checked
from services.importing.people import People
from services.importing.rows import PERSON
from services.importing.table import Row
from shared.contracts.auth import UserChanged
from shared.database import Connection
from shared.http import Page
from shared.identity import Role
from tests.component.auth.world import World

KEYS = ["login_name", "email", "phone", "first_name", "last_name", "department"]
NAMES = {"first_name": "Emil", "last_name": "Galois", "display_name": "Em"}
FOUND = {"phone": "+49 30 901820", "department": "Algebra"}


async def addresses(world: World, query: str, who: str = "emil") -> list[str]:
    return [entry["email"] for entry in (await world.get(who, f"/directory{query}")).data]


async def test_tm9_an_entry_has_basic_data_and_no_id(world: World) -> None:
    await world.put("emil", "/users/me", NAMES | FOUND)
    reply = await world.get("mona", "/directory?q=galois")
    email = world.email_of("emil")
    assert reply.data == [
        {"login_name": email, "email": email, "first_name": "Emil", "last_name": "Galois", **FOUND},
    ]
    assert list(reply.data[0]) == KEYS


async def test_tm9_the_login_name_signs_in(world: World) -> None:
    [entry] = (await world.get("ada", "/directory?q=emil")).data
    assert (await world.sign_in(entry["login_name"])).status == 200


async def test_tm9_every_member_sees_who_is_here_and_nobody_elses_people(world: World) -> None:
    everybody = [world.email_of(name) for name in ("ada", "abe", "emil", "mona")]
    for who in ("ada", "mona", "emil"):
        assert await addresses(world, "", who) == everybody
    await world.delete("ada", f"/users/{world.id_of('abe')}")
    assert world.email_of("abe") not in await addresses(world, "")
    assert await addresses(world, "?q=abe") == []
    assert await addresses(world, "?q=gina") == []


async def test_tm9_a_super_admin_names_the_organisation(world: World) -> None:
    nameless = await world.get("root", "/directory")
    assert (nameless.status, set(nameless.error["fields"])) == (400, {"org_id"})
    assert world.email_of("gina") in await addresses(world, f"?org_id={world.globex}", "root")


async def test_tm9_names_and_addresses_are_found_by_their_beginning_in_any_case(world: World) -> None:
    await world.put("emil", "/users/me", NAMES)
    for prefix in ("gal", "GALOIS", "emil@ACME", "Em", "E", "%20em%20"):
        assert world.email_of("emil") in await addresses(world, f"?q={prefix}"), prefix


async def test_tm9_neither_middles_nor_wildcards_nor_other_fields_find_anybody(world: World) -> None:
    await world.put("emil", "/users/me", NAMES | FOUND)
    for prefix in ("alois", "%25", "_mil", "acme", "Algebra", "%2B49", "galois%27%20OR%20true--"):
        assert await addresses(world, f"?q={prefix}") == [], prefix


async def test_tm9_an_empty_prefix_leaves_nobody_out(world: World) -> None:
    assert len(await addresses(world, "?q=")) == 4


async def test_tm9_pages_are_those_of_every_list(world: World) -> None:
    first = await world.get("emil", "/directory?limit=3&total=true")
    assert (len(first.data), first.meta["total"]) == (3, 4)
    second = await world.get("emil", f"/directory?limit=3&cursor={first.meta['next_cursor']}")
    assert [entry["email"] for entry in second.data] == [world.email_of("mona")]
    assert (await addresses(world, "?page=2&page_size=3")) == [world.email_of("mona")]
    for query, field in (("limit=0", "limit"), ("cursor=x", "cursor"), (f"q={'x' * 255}", "q"), ("q=a&q=b", "q")):
        reply = await world.get("emil", f"/directory?{query}")
        assert (reply.status, set(reply.error["fields"])) == (400, {field})


async def test_tm9_it_needs_a_token(world: World) -> None:
    assert (await world.get(None, "/directory")).status == 401


async def test_tm9_phone_and_department_stay_unless_they_are_named_and_go_with_null(world: World) -> None:
    changed = await world.put("emil", "/users/me", NAMES | FOUND)
    assert changed.data | FOUND == changed.data
    assert (await world.put("emil", "/users/me", NAMES)).data == changed.data
    shown = await world.get("ada", f"/users/{world.id_of('emil')}")
    assert shown.data | FOUND == shown.data
    cleared = await world.put("emil", "/users/me", NAMES | {"phone": None})
    assert (cleared.data["phone"], cleared.data["department"]) == (None, "Algebra")
    versions = [event["version"] for event in await world.told(UserChanged, user_id=world.id_of("emil"))]
    assert versions == [2, 3]


NO_PHONES = ("", "12", "call me", "+", "((((", "1" * 51, "\u0661\u0662\u0663", 5, "123\0")
NO_DEPARTMENTS = ("", " ", "x" * 101, 5, ["Algebra"], "A\0")
WRONG: list[dict[str, Any]] = [{"phone": one} for one in NO_PHONES] + [{"department": one} for one in NO_DEPARTMENTS]


async def test_tm9_what_is_none_is_refused_by_its_field(world: World) -> None:
    for wrong in WRONG:
        reply = await world.put("emil", "/users/me", NAMES | wrong)
        assert (reply.status, set(reply.error["fields"])) == (400, set(wrong)), wrong


async def test_tm9_telephone_numbers_are_taken_as_they_are_written(world: World) -> None:
    for phone in ("112", "+1 (614) 456-1447", "0000000000", "030/901820", "614.456.1447 x12"):
        assert (await world.put("emil", "/users/me", NAMES | {"phone": phone})).data["phone"] == phone


async def test_tm9_the_imported_have_phone_and_department_from_the_start(world: World) -> None:
    cells = {"email": "sophie@acme.test", "first_name": "Sophie", "last_name": "Germain"} | FOUND
    row = Checked(Row(2, tuple(cells.values())), PERSON.load(cells))
    people = People(world.context.database, world.acme, ["acme.test"], world.clock)
    assert (await people.take([row])).new == 1
    [entry] = (await world.get("emil", "/directory?q=germ")).data
    assert entry | FOUND == entry


PREFIXES = {"users_first_name_prefix", "users_last_name_prefix", "users_display_name_prefix", "users_email_prefix"}


async def test_tm9_it_walks_indexes_as_the_services_role(world: World) -> None:
    for org_id in (world.acme, world.globex):
        crowd = [
            (f"u{number}@{org_id}.test", profile_of_names(f"First{number}", f"Last{number}"), Role.EMPLOYEE)
            for number in range(4000)
        ]
        async with world.context.database.transaction(org_id) as tx:
            await add_people(tx, crowd)
    await world.owner.execute("ANALYZE users")
    for query, indexes in (({}, {"users_present"}), ({"q": "first39"}, PREFIXES)):
        plan = await _plan(world, query)
        assert "Seq Scan on users" not in plan, plan
        assert "Filter: (org_id" not in plan, plan
        assert all(index in plan for index in indexes), plan


async def _plan(world: World, query: dict[str, str]) -> str:
    plans: list[str] = []

    class Explaining:
        def __init__(self, tx: Connection) -> None:
            self._tx = tx

        async def fetch(self, statement: str, *arguments: object) -> list[object]:
            rows = await self._tx.fetch(f"EXPLAIN (COSTS OFF) {statement}", *arguments)
            plans.append("\n".join(row[0] for row in rows))
            return []

    async with world.context.database.transaction(world.acme) as tx:
        await list_entries(Explaining(tx), query, Page(20, 0, None, False))  # type: ignore[arg-type]
    return plans[0]
