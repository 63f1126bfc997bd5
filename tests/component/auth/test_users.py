"""Profiles and lists of people: who sees what, in which order, found by which beginning."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from services.auth.domain.profiles import Profile
from services.auth.store.people import add_person
from shared.contracts.auth import UserChanged
from shared.contracts.quota import Hi5BalanceChanged
from shared.contracts.recognition import Hi5sReceivedChanged
from shared.identity import Role
from tests.component.auth.world import World

NAMES = {"first_name": "Emilia", "last_name": "Galotti", "display_name": "Em"}
PROFILE_KEYS = [
    "id", "first_name", "last_name", "email", "display_name", "profile_image_url", "role_id", "hi5_quota_balance",
    "org_id", "soft_delete_by", "soft_delete_at",
]  # fmt: skip


async def test_the_list_has_everybody_of_the_organisation_by_id(world: World) -> None:
    reply = await world.get("emil", "/users")
    assert [user["first_name"] for user in reply.data] == ["Ada", "Abe", "Emil", "Mona"]
    assert list(reply.data[0]) == PROFILE_KEYS
    assert {user["org_id"] for user in reply.data} == {world.acme}
    assert reply.body["meta"] == {"limit": 20, "offset": 0}


async def test_pages_follow_each_other_by_cursor_offset_or_number(world: World) -> None:
    first = await world.get("emil", "/users?limit=3&total=true")
    assert first.body["meta"] | {"next_cursor": ""} == {"limit": 3, "offset": 0, "total": 4, "next_cursor": ""}
    rest = await world.get("emil", f"/users?limit=3&cursor={first.body['meta']['next_cursor']}")
    assert "next_cursor" not in rest.body["meta"]
    names = [user["first_name"] for user in first.data + rest.data]
    assert names == ["Ada", "Abe", "Emil", "Mona"]
    assert (await world.get("emil", "/users?limit=3&offset=3")).data == rest.data
    assert (await world.get("emil", "/users?page=2&page_size=3")).data == rest.data


async def test_wrong_query_parameters_are_refused_by_name(world: World) -> None:
    wrong = {
        "limit=0": "limit", "limit=101": "limit", "offset=-1": "offset", "cursor=x": "cursor", "role_id=5": "role_id",
        "include_deleted=1": "include_deleted", "total=yes": "total",
    }  # fmt: skip
    for query, field in wrong.items():
        reply = await world.get("ada", f"/users?{query}")
        assert (reply.status, list(reply.error["fields"])) == (400, [field]), query


async def test_roles_filter(world: World) -> None:
    reply = await world.get("emil", "/users?role_id=2")
    assert [user["first_name"] for user in reply.data] == ["Ada", "Abe"]


async def _joined(world: World, email: str, first: str, last: str, display: str) -> None:
    async with world.context.database.transaction(world.acme) as tx:
        assert await add_person(tx, email, Profile(first, last, display, None), Role.EMPLOYEE)


async def test_starts_with_looks_at_each_name_and_the_address_in_any_case(world: World) -> None:
    await _joined(world, "zoe.quick@acme.test", "Zoë", "Straße", "The 100% Fox_y")
    await _joined(world, "other@acme.test", "Another", "ÅNGSTRÖM", "Ano_ther")
    found: dict[str, set[str]] = {
        "zo": {"Zoë"}, "ZOË": {"Zoë"}, "strasse": {"Zoë"}, "STRASS": {"Zoë"}, "the 100%": {"Zoë"}, "zoe.q": {"Zoë"},
        "ångs": {"Another"}, "A": {"Ada", "Abe", "Another"}, "ano_": {"Another"}, "%": set(), "_": set(), "oë": set(),
        "fox": set(), "Tester": {"Ada", "Abe", "Emil", "Mona"}, "\\": set(), "'": set(), "\U0010ffff": set(),
    }  # fmt: skip
    for prefix, names in found.items():
        data = (await world.get("emil", f"/users?starts_with={quote(prefix)}")).data
        assert {user["first_name"] for user in data} == names, prefix


async def test_nobody_finds_people_of_another_organisation(world: World) -> None:
    assert (await world.get("emil", "/users?starts_with=g")).data == []
    assert (await world.get("emil", "/users?starts_with=gina@globex")).data == []


async def test_only_a_super_admin_names_the_organisation(world: World) -> None:
    assert (await world.get("emil", f"/users?org_id={world.acme}")).error["code"] == "access_denied"
    assert (await world.get("ada", f"/users?org_id={world.globex}")).status == 403
    assert (await world.get("ada", "/users", X_Org_Id=str(world.globex))).status == 403
    reply = await world.get("root", f"/users?org_id={world.globex}")
    assert [user["first_name"] for user in reply.data] == ["Gus", "Gina"]
    by_header = await world.get("root", "/users", X_Org_Id=str(world.globex))
    assert by_header.data == reply.data
    unnamed = await world.get("root", "/users")
    assert (unnamed.status, list(unnamed.error["fields"])) == (400, ["org_id"])
    assert (await world.get("root", "/users?org_id=999999")).status == 400


async def test_deleted_people_are_listed_for_admins_who_ask(world: World) -> None:
    await world.delete("ada", f"/users/{world.id_of('emil')}")
    assert "Emil" not in [user["first_name"] for user in (await world.get("ada", "/users")).data]
    everybody = (await world.get("ada", "/users?include_deleted=true")).data
    [emil] = [user for user in everybody if user["first_name"] == "Emil"]
    assert (emil["soft_delete_by"], emil["soft_delete_at"] > 0) == (world.id_of("ada"), True)
    assert (await world.get("mona", "/users?include_deleted=true")).status == 403
    assert (await world.get("mona", "/users?include_deleted=false")).status == 200


async def test_one_person_is_for_admins_of_their_organisation(world: World) -> None:
    emil, gina = world.id_of("emil"), world.id_of("gina")
    reply = await world.get("ada", f"/users/{emil}")
    assert list(reply.data) == [*PROFILE_KEYS, "hi5_count", "phone", "department", "listed_in_leaderboards"]
    assert (await world.get("emil", f"/users/{emil}")).error["code"] == "access_denied"
    assert (await world.get("mona", f"/users/{emil}")).status == 403
    foreign, unknown = await world.get("ada", f"/users/{gina}"), await world.get("ada", "/users/999999")
    assert (foreign.status, foreign.raw) == (404, unknown.raw)
    assert foreign.error == {"code": "not_found", "message": "User not found"}
    assert (await world.get("root", f"/users/{gina}")).data["id"] == gina
    assert (await world.get("root", "/users/999999")).raw == unknown.raw


async def test_ids_that_are_none_are_refused(world: World) -> None:
    for wrong in ("0", "-1", "x", "1.5", "99999999999999999999"):
        reply = await world.get("ada", f"/users/{wrong}")
        assert (reply.status, list(reply.error["fields"])) == (400, ["id"]), wrong


async def test_users_are_made_by_signing_in(world: World) -> None:
    reply = await world.post("ada", "/users", NAMES)
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")


async def test_my_profile_has_an_entity_tag(world: World) -> None:
    reply = await world.get("emil", "/users/me")
    tag = reply.headers["ETag"]
    assert tag.startswith('"1.')
    assert (await world.get("emil", "/users/me", If_None_Match=tag)).status == 304


async def test_i_change_my_names_and_picture_and_nothing_else(world: World) -> None:
    before = (await world.get("emil", "/users/me")).data
    sent = NAMES | {
        "profile_image_url": "https://pictures.example/e.png", "role_id": 1, "email": "root@acme.test",
        "org_id": world.globex,
        "hi5_quota_balance": 1000, "id": 1, "hi5_count": 5, "soft_delete_at": 1, "generation": 9, "version": 9,
    }  # fmt: skip
    after = (await world.put("emil", "/users/me", sent)).data
    assert after == before | NAMES | {"profile_image_url": "https://pictures.example/e.png"}
    assert (await world.get("emil", "/users/me")).data == after
    [event] = await world.told(UserChanged, user_id=world.id_of("emil"))
    assert (event["version"], event["display_name"], event["active"]) == (2, "Em", True)
    found = await world.get("ada", "/users?starts_with=galo")
    assert [user["id"] for user in found.data] == [world.id_of("emil")]


async def test_a_picture_stays_unless_it_is_named_and_goes_with_null(world: World) -> None:
    for address in ("http://localhost:8080/filecontent/4", "https://pictures.example/e.png"):
        changed = await world.put("emil", "/users/me", NAMES | {"profile_image_url": address})
        assert changed.data["profile_image_url"] == address
        assert (await world.put("emil", "/users/me", NAMES)).data["profile_image_url"] == address
    cleared = await world.put("emil", "/users/me", NAMES | {"profile_image_url": None})
    assert cleared.data["profile_image_url"] is None


async def test_the_same_names_again_tell_nobody(world: World) -> None:
    await world.put("emil", "/users/me", NAMES)
    await world.put("emil", "/users/me", NAMES)
    assert len(await world.told(UserChanged, user_id=world.id_of("emil"))) == 1


WRONG_PROFILES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"first_name", "last_name", "display_name"}),
    (NAMES | {"first_name": ""}, {"first_name"}),
    (NAMES | {"first_name": " \t"}, {"first_name"}),
    (NAMES | {"last_name": "x" * 51}, {"last_name"}),
    (NAMES | {"display_name": "x" * 81}, {"display_name"}),
    (NAMES | {"display_name": None}, {"display_name"}),
    (NAMES | {"display_name": 5}, {"display_name"}),
    (NAMES | {"profile_image_url": "http://pictures.example/e.png"}, {"profile_image_url"}),
    (NAMES | {"profile_image_url": "http://localhost.pictures.example/e.png"}, {"profile_image_url"}),
    (NAMES | {"profile_image_url": "javascript:alert(1)"}, {"profile_image_url"}),
    (NAMES | {"profile_image_url": "https://user:password@pictures.example/"}, {"profile_image_url"}),
    (NAMES | {"profile_image_url": ""}, {"profile_image_url"}),
]


async def test_wrong_profiles_are_refused_by_field(world: World) -> None:
    for body, wrong in WRONG_PROFILES:
        reply = await world.put("emil", "/users/me", body)
        assert (reply.status, reply.error["message"], set(reply.error["fields"])) == (
            400,
            "Invalid user data",
            wrong,
        ), body


async def test_names_may_be_as_long_as_the_contract_says(world: World) -> None:
    longest = {"first_name": "é" * 50, "last_name": "\U0001f600" * 50, "display_name": "n" * 80}
    assert (await world.put("emil", "/users/me", longest)).data | longest == (await world.get("emil", "/users/me")).data


async def test_a_change_of_what_somebody_else_changed_is_refused(world: World) -> None:
    stale = (await world.get("emil", "/users/me")).headers["ETag"]
    assert (await world.put("emil", "/users/me", NAMES, If_Match=stale)).status == 200
    again = await world.put("emil", "/users/me", NAMES, If_Match=stale)
    assert (again.status, again.error["code"]) == (412, "version_mismatch")
    assert (await world.put("emil", "/users/me", NAMES, If_Match='W/"2.x"')).status == 200


async def test_the_balance_follows_quota_until_its_period_is_over(world: World) -> None:
    emil, now = world.id_of("emil"), int(world.clock().timestamp())

    async def shown() -> int:
        return int((await world.get("emil", "/users/me")).data["hi5_quota_balance"])

    def balance(net: int, adjusted: int, resets_at: int, version: int) -> Hi5BalanceChanged:
        return Hi5BalanceChanged(user_id=emil, net=net, adjusted=adjusted, resets_at=resets_at, version=version)

    assert await shown() == 10
    await world.hears(balance(3, 1, now + 60, 2), world.acme)
    assert await shown() == 8
    await world.hears(balance(9, 0, now + 60, 1), world.acme)
    assert await shown() == 8
    await world.hears(balance(14, 1, now + 60, 3), world.acme)
    assert await shown() == 0
    await world.hears(balance(14, 1, now, 4), world.acme)
    assert await shown() == 10
    [listed] = [user for user in (await world.get("ada", "/users")).data if user["id"] == emil]
    assert listed["hi5_quota_balance"] == 10


async def test_received_hi5s_are_the_newest_count(world: World) -> None:
    emil = world.id_of("emil")
    for count, version in ((2, 2), (5, 3), (1, 1)):
        await world.hears(Hi5sReceivedChanged(user_id=emil, count=count, version=version), world.acme)
    assert (await world.get("emil", "/users/me")).data["hi5_count"] == 5
    assert (await world.get("ada", f"/users/{emil}")).data["hi5_count"] == 5


async def test_every_route_of_people_needs_a_token(world: World) -> None:
    for method, path in (
        ("GET", "/users"), ("GET", "/users/me"), ("PUT", "/users/me"), ("GET", "/users/1"), ("PUT", "/users/1"),
        ("DELETE", "/users/1"), ("POST", "/users/1/restore"), ("POST", "/users/1/password-reset"),
        ("PUT", "/users/me/password"), ("GET", "/organisations"), ("POST", "/organisations"), ("GET",
        "/organisations/me"),
        ("GET", "/organisations/1"), ("PUT", "/organisations/1"), ("PATCH", "/organisations/1"),
    ):  # fmt: skip
        reply = await world.ask(None, method, path, {"x": 1} if method != "GET" else None)
        assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer"), path
        assert "fields" not in reply.error


async def test_a_super_admin_has_their_own_profile_whatever_organisation_they_name(world: World) -> None:
    assert (await world.get("root", f"/users/me?org_id={world.acme}")).data["id"] == world.id_of("root")
    changed = await world.put("root", f"/users/me?org_id={world.acme}", NAMES)
    assert (changed.data["display_name"], changed.data["org_id"]) == ("Em", None)
