"""PC-4: the list of scopes; PC-6: whoami; PC-2: the header that names the organisation; S5: nothing widens itself."""

from __future__ import annotations

import time
from typing import Any

import pytest

from services import documents
from shared.identity.roles import PERMISSIONS, SCOPES, TABLE, Role
from tests.component.auth.world import PASSWORD, World

NAMES = {role.name.lower(): role for role in Role}
HOUR = 3600


@pytest.mark.parametrize("who", ["root", "ada", "emil", "mona"])
async def test_pc4_scopes_are_an_exact_replica_of_the_permissions(world: World, who: str) -> None:
    listed = (await world.get(who, "/scopes")).data
    assert [one["scope"] for one in listed] == sorted(SCOPES)
    for role, held in PERMISSIONS.items():
        assert {one["scope"] for one in listed if role.name.lower() in one["roles"]} == held
    assert all(set(one) == {"scope", "description", "roles"} and one["description"].endswith(".") for one in listed)


WAYS_TO_ALL_RIGHTS = {
    "a link that sets a password": ("POST", "/users/{mona}/password-reset", None),
    "another role": ("PUT", "/users/{emil}", {"role_id": 2}),
    "a domain to sign in from": ("PATCH", "/organisations/{acme}", {"domain_names": ["acme.test", "elsewhere.test"]}),
}


@pytest.mark.parametrize("way", WAYS_TO_ALL_RIGHTS.values(), ids=WAYS_TO_ALL_RIGHTS.keys())
async def test_s5_no_narrowed_credential_widens_itself(world: World, way: tuple[str, str, Any]) -> None:
    method, path, body = way
    place = path.format(mona=world.id_of("mona"), emil=world.id_of("emil"), acme=world.acme)
    scopes = ["manage:user", "update:organisation", "view:user"]
    key = (await world.post("ada", "/api-keys", {"name": "Narrow", "scopes": scopes})).data["key"]
    assert (await world.ask(key, method, place, body)).code == (403, "access_denied")
    assert (await world.ask("ada", method, place, body)).status in {200, 201}


async def test_s5_a_narrowed_credential_gets_no_session_for_a_password(world: World) -> None:
    """Whoever has both would come by all rights of the owner."""
    until, body = int(time.time()) + HOUR, {"current": PASSWORD, "new": "another unrelated walrus"}
    narrow = {"name": "Narrow", "expires_at": until, "scopes": ["update:profile", "view:profile"]}
    key = {"name": "Narrow", "scopes": ["manage:user", "view:profile"]}
    narrowed = [
        (await world.post("ada", "/users/me/tokens", narrow)).data["token"],
        (await world.post("ada", "/api-keys", key)).data["key"],
    ]
    for credential in narrowed:
        assert (await world.put(credential, "/users/me/password", body)).code == (403, "access_denied")
    whole = (await world.post("ada", "/users/me/tokens", {"name": "Whole", "expires_at": until})).data["token"]
    assert (await world.put(whole, "/users/me/password", body)).status == 200


async def test_pc4_the_list_is_for_members(world: World) -> None:
    assert (await world.get(None, "/scopes")).code == (401, "invalid_token")
    reply = await world.get("emil", "/scopes")
    assert reply.meta["total"] == len(SCOPES)
    assert (await world.get("emil", "/scopes", If_None_Match=reply.headers["ETag"])).status == 304


def test_pc4_every_operation_names_its_scope_and_every_scope_opens_one() -> None:
    operations = [one for methods in documents.merged()["paths"].values() for one in methods.values()]
    named = {
        scope for one in operations for security in one.get("security", []) for scope in security.get("bearer", [])
    }
    assert named == SCOPES


def test_pc4_a_description_says_something_of_its_own() -> None:
    assert len({permission.description for permission in TABLE.values()}) == len(TABLE)


@pytest.mark.parametrize("who", ["ada", "emil", "mona"])
async def test_pc6_a_session_says_who_it_is(world: World, who: str) -> None:
    me, person = (await world.get(who, "/whoami")).data, world.people[who]
    expires_at = me.pop("expires_at")
    assert abs(expires_at - time.time() - HOUR) < 60
    assert me == {
        "kind": "session",
        "user": {
            "id": person.id,
            "first_name": person.first_name,
            "last_name": person.last_name,
            "email": person.email,
            "display_name": person.display_name,
            "role_id": int(person.role),
        },
        "organisation": {"id": world.acme, "name": "Acme"},
        "scopes": sorted(PERMISSIONS[person.role]),
        "client_id": None,
    }


async def test_pc6_a_key_tells_its_claims(world: World) -> None:
    until = int(time.time()) + HOUR
    made = (await world.post("ada", "/api-keys", {"name": "x", "scopes": ["view:user"], "expires_at": until})).data
    me = (await world.get(made["key"], "/whoami")).data
    assert (me["kind"], me["client_id"], me["scopes"]) == ("api_key", f"key:{made['id']}", ["view:user"])
    assert (me["expires_at"], me["user"]["id"]) == (until, world.id_of("ada"))


async def test_pc6_a_super_admin_belongs_to_no_organisation(world: World) -> None:
    for headers in ({}, {"X_Org_Id": str(world.acme)}):
        me = (await world.get("root", "/whoami", **headers)).data
        assert (me["organisation"], me["user"]["role_id"]) == (None, 1)


async def test_pc6_nobody_is_nobody(world: World) -> None:
    assert (await world.get(None, "/whoami")).code == (401, "invalid_token")
    await world.owner.execute("UPDATE users SET soft_delete_at = now() WHERE id = $1", world.id_of("emil"))
    assert (await world.get("emil", "/whoami")).code == (401, "invalid_token")


@pytest.mark.parametrize("header", ["X_Org_Id", "X_Perscom_Id"])
async def test_pc2_a_request_names_the_organisation_of_its_credential(world: World, header: str) -> None:
    body = {"name": "x", "scopes": ["view:user"], "expires_at": int(time.time()) + HOUR}
    key = (await world.post("ada", "/api-keys", body)).data["key"]
    token = (await world.post("ada", "/users/me/tokens", body)).data["token"]
    for credential in ("ada", key, token):
        assert (await world.get(credential, "/users", **{header: f" {world.acme} "})).status == 200
        for other in (str(world.globex), str(2**50), "0", "", "Acme", f"{world.acme},{world.globex}"):
            reply = await world.get(credential, "/users", **{header: other})
            assert reply.code == (403, "access_denied"), other


@pytest.mark.parametrize("header", ["X_Org_Id", "X_Perscom_Id"])
async def test_pc2_a_super_admin_chooses_with_it(world: World, header: str) -> None:
    for org_id in (world.acme, world.globex):
        users = (await world.get("root", "/users", **{header: str(org_id)})).data
        assert {one["org_id"] for one in users} == {org_id}
    for wrong in ("Acme", "0", str(2**50)):
        assert set((await world.get("root", "/users", **{header: wrong})).error["fields"]) == {"org_id"}
