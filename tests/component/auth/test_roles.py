"""Who becomes what, who leaves and comes back; and that tokens end with it."""

from __future__ import annotations

import asyncio
from collections import Counter
from urllib.parse import urlsplit

from shared.contracts.auth import SessionRevoked, UserChanged, UserDeactivated, UserJoined, UserRestored
from shared.identity import Role
from tests.component.auth.world import World

LAST = "The last admin of an organisation keeps the role; make somebody else an admin first"


def path(world: World, name: str) -> str:
    return f"/users/{world.id_of(name)}"


async def test_an_admin_gives_each_role_of_an_organisation(world: World) -> None:
    for role in (Role.MODERATOR, Role.ORGANISATION_ADMIN, Role.EMPLOYEE):
        reply = await world.put("ada", path(world, "emil"), {"role_id": int(role)})
        assert (reply.status, reply.data["role_id"]) == (200, int(role))
    told = await world.told(UserChanged, user_id=world.id_of("emil"))
    assert [(event["role_id"], event["version"]) for event in told] == [(4, 2), (2, 3), (3, 4)]


async def test_a_new_role_ends_the_tokens_of_the_old_one(world: World) -> None:
    await world.put("ada", path(world, "emil"), {"role_id": 4})
    assert (await world.get("emil", "/users/me")).status == 401
    token = (await world.sign_in("emil")).data["token"]
    assert world.context.verifier.verify(token).role_id == Role.MODERATOR
    [revoked] = await world.told(SessionRevoked)
    assert (revoked["user_id"], revoked["min_generation"]) == (world.id_of("emil"), 2)


async def test_the_same_role_again_changes_nothing(world: World) -> None:
    assert (await world.put("ada", path(world, "emil"), {"role_id": 3})).status == 200
    assert (await world.get("emil", "/users/me")).status == 200
    assert not await world.told(UserChanged)


async def test_wrong_roles_are_refused(world: World) -> None:
    for wrong in (0, 5, -1, "x", None, 1.5, True, [2]):
        reply = await world.put("ada", path(world, "emil"), {"role_id": wrong})
        assert (reply.status, list(reply.error["fields"])) == (400, ["role_id"]), wrong
    assert list((await world.put("ada", path(world, "emil"), {})).error["fields"]) == ["role_id"]
    assert (await world.put("ada", path(world, "emil"), {"role_id": "4"})).status == 200


async def test_only_admins_give_roles_and_only_in_their_organisation(world: World) -> None:
    for who in ("emil", "mona"):
        reply = await world.put(who, path(world, who), {"role_id": 2})
        assert (reply.status, reply.error["code"]) == (403, "access_denied")
    foreign = await world.put("ada", path(world, "gina"), {"role_id": 2})
    unknown = await world.put("ada", "/users/999999", {"role_id": 2})
    assert (foreign.status, foreign.raw) == (400, unknown.raw)
    assert list(foreign.error["fields"]) == ["id"]
    assert (await world.put("root", path(world, "gina"), {"role_id": 4})).data["role_id"] == 4


async def test_an_admin_makes_no_super_admin(world: World) -> None:
    assert (await world.put("ada", path(world, "emil"), {"role_id": 1})).error["code"] == "access_denied"
    assert (await world.put("ada", path(world, "ada"), {"role_id": 1})).status == 403
    assert (await world.put("ada", path(world, "gina"), {"role_id": 1})).status == 403


async def test_a_new_super_admin_leaves_the_organisation_and_its_password(world: World) -> None:
    reply = await world.put("root", path(world, "emil"), {"role_id": 1})
    assert (reply.data["role_id"], reply.data["org_id"], reply.data["soft_delete_at"]) == (1, None, None)
    assert (await world.get("emil", "/users/me")).status == 401
    assert (await world.sign_in("emil")).status == 401
    link = (await world.post("root", f"{path(world, 'emil')}/password-reset")).data["link"]
    assert (await world.post(None, urlsplit(link).path, {"password": "another unrelated walrus"})).status == 200
    token = (await world.sign_in("emil", "another unrelated walrus")).data["token"]
    assert (await world.get(token, "/organisations")).status == 200
    assert (await world.get("ada", path(world, "emil"))).status == 404
    [left] = await world.told(UserDeactivated)
    [joined] = await world.told(UserJoined, user_id=world.id_of("emil"), role_id=1)
    assert (left["org_id"], left["active"]) == (world.acme, False)
    assert (joined["org_id"], joined["active"]) == (0, True)
    assert left["version"] < joined["version"]


async def test_a_super_admin_takes_no_role_in_an_organisation(world: World) -> None:
    await world.enrol(0, {"rita": Role.SUPER_ADMIN})
    reply = await world.put("root", path(world, "rita"), {"role_id": 3})
    assert (reply.status, reply.error["code"]) == (409, "conflict")


async def test_the_last_admin_keeps_the_role(world: World) -> None:
    reply = await world.put("gus", path(world, "gus"), {"role_id": 3})
    assert (reply.status, reply.error) == (409, {"code": "conflict", "message": LAST})
    assert (await world.put("root", path(world, "gus"), {"role_id": 1})).status == 409
    assert (await world.delete("root", path(world, "gus"))).error["message"] == LAST
    assert (await world.get("gus", "/users/me")).status == 200
    assert (await world.put("gus", path(world, "gina"), {"role_id": 2})).status == 200
    assert (await world.put("gus", path(world, "gus"), {"role_id": 3})).status == 200


async def test_a_deleted_admin_does_not_count(world: World) -> None:
    assert (await world.delete("ada", path(world, "abe"))).status == 200
    assert (await world.put("ada", path(world, "ada"), {"role_id": 3})).status == 409
    assert (await world.put("ada", path(world, "abe"), {"role_id": 3})).status == 200


async def test_of_two_admins_who_step_down_at_once_one_stays(world: World) -> None:
    for _ in range(5):
        replies = await asyncio.gather(
            world.put("ada", path(world, "ada"), {"role_id": 3}), world.put("abe", path(world, "abe"), {"role_id": 3})
        )
        assert Counter(reply.status for reply in replies) == {200: 1, 409: 1}
        for name in ("ada", "abe"):
            await world.put("root", path(world, name), {"role_id": 2})
            world.tokens[name] = (await world.sign_in(name)).data["token"]


async def test_two_admins_who_remove_each_other_at_once_leave_one(world: World) -> None:
    replies = await asyncio.gather(
        world.delete("ada", path(world, "abe")),
        world.delete("abe", path(world, "ada")),
        world.delete("root", path(world, "ada")),
    )
    assert {reply.status for reply in replies} <= {200, 401, 409}
    left = await world.owner.fetchval(
        "SELECT count(*) FROM users WHERE org_id = $1 AND role_id = 2 AND soft_delete_at IS NULL", world.acme
    )
    assert left == 1


async def test_deletion_is_soft_ends_tokens_and_is_told(world: World) -> None:
    reply = await world.delete("ada", path(world, "emil"))
    assert (reply.status, reply.data["soft_delete_by"]) == (200, world.id_of("ada"))
    assert (await world.get("emil", "/users/me")).error["code"] == "invalid_token"
    assert (await world.sign_in("emil")).status == 401
    [left] = await world.told(UserDeactivated)
    assert (left["user_id"], left["active"], left["version"]) == (world.id_of("emil"), False, 2)
    assert (await world.get("ada", path(world, "emil"))).data == reply.data


async def test_deletion_again_changes_nothing(world: World) -> None:
    first = await world.delete("ada", path(world, "emil"))
    again = await world.delete("abe", path(world, "emil"))
    assert (again.status, again.data) == (200, first.data)
    assert len(await world.told(UserDeactivated)) == 1


async def test_nobody_deletes_themselves(world: World) -> None:
    assert (await world.delete("ada", path(world, "ada"))).error["code"] == "conflict"
    assert (await world.delete("root", path(world, "root"))).status == 409


async def test_only_admins_delete_and_only_in_their_organisation(world: World) -> None:
    assert (await world.delete("mona", path(world, "emil"))).status == 403
    foreign, unknown = await world.delete("ada", path(world, "gina")), await world.delete("ada", "/users/999999")
    assert (foreign.status, foreign.raw) == (404, unknown.raw)
    assert (await world.delete("root", path(world, "gina"))).status == 200


async def test_a_stale_change_is_refused(world: World) -> None:
    stale = (await world.get("ada", path(world, "emil"))).headers["ETag"]
    assert (await world.put("ada", path(world, "emil"), {"role_id": 4}, If_Match=stale)).status == 200
    assert (await world.put("ada", path(world, "emil"), {"role_id": 3}, If_Match=stale)).status == 412
    assert (await world.delete("ada", path(world, "emil"), If_Match=stale)).status == 412
    assert (await world.delete("ada", path(world, "emil"), If_Match="*")).status == 200


async def test_a_restored_person_is_back_with_id_and_role_but_without_old_tokens(world: World) -> None:
    await world.delete("ada", path(world, "mona"))
    reply = await world.post("ada", f"{path(world, 'mona')}/restore")
    assert (reply.status, reply.data["role_id"], reply.data["soft_delete_at"]) == (200, 4, None)
    assert (await world.get("mona", "/users/me")).status == 401
    assert (await world.sign_in("mona")).status == 200
    [back] = await world.told(UserRestored)
    assert (back["user_id"], back["active"], back["version"]) == (world.id_of("mona"), True, 3)
    assert (await world.post("ada", f"{path(world, 'mona')}/restore")).data == reply.data
    assert len(await world.told(UserRestored)) == 1


async def test_only_admins_restore_and_only_in_their_organisation(world: World) -> None:
    await world.delete("gus", path(world, "gina"))
    assert (await world.post("mona", f"{path(world, 'gina')}/restore")).status == 403
    foreign = await world.post("ada", f"{path(world, 'gina')}/restore")
    unknown = await world.post("ada", "/users/999999/restore")
    assert (foreign.status, foreign.raw) == (400, unknown.raw)
    assert (await world.post("root", f"{path(world, 'gina')}/restore")).status == 200
