"""POST /oauth/google against a Google over HTTP: who comes in, who does not, and what happens when Google is ill."""

from __future__ import annotations

import time
from typing import Any

import pytest
from aiohttp import web

from shared.contracts.auth import UserJoined
from shared.identity import Role
from tests.component.auth.world import World
from tests.support.tokens import EXPECTED

UNAUTHORIZED = {"code": "invalid_token", "message": "unauthorized user"}


async def test_first_sign_in_makes_an_employee_with_the_full_quota(world: World) -> None:
    world.google.knows("t", "Grace@Acme.test")
    reply = await world.google_sign_in("t")
    assert reply.status == 200
    assert list(reply.data) == ["token"]
    me = (await world.get(reply.data["token"], "/users/me")).data
    assert me == {
        "id": me["id"],
        "first_name": "Grace",
        "last_name": "Hopper",
        "email": "Grace@Acme.test",
        "display_name": "Grace Hopper",
        "profile_image_url": "https://pictures.example/grace.png",
        "role_id": 3,
        "hi5_quota_balance": 10,
        "hi5_count": 0,
        "phone": None,
        "department": None,
        "listed_in_leaderboards": True,
        "org_id": world.acme,
        "soft_delete_by": None,
        "soft_delete_at": None,
    }
    joined = await world.told(UserJoined, user_id=me["id"])
    assert [(event["org_id"], event["email"], event["active"]) for event in joined] == [
        (world.acme, "Grace@Acme.test", True)
    ]


async def test_token_lasts_an_hour_and_says_exactly_who(world: World) -> None:
    world.google.knows("t", "grace@acme.test")
    token = (await world.google_sign_in("t")).data["token"]
    principal = world.context.verifier.verify(token)
    assert (principal.org_id, principal.org_name, principal.role_id) == (world.acme, "Acme", Role.EMPLOYEE)
    assert abs(principal.expires_at - time.time() - 3600) < 5
    assert EXPECTED.issuer == "node.peerly.com"


async def test_second_sign_in_is_the_same_person_and_keeps_what_they_changed(world: World) -> None:
    world.google.knows("t", "grace@acme.test")
    first = (await world.google_sign_in("t")).data["token"]
    names = {"first_name": "Amazing", "last_name": "Grace", "display_name": "AG"}
    before = (await world.put(first, "/users/me", names)).data
    second = (await world.google_sign_in("t")).data["token"]
    assert (await world.get(second, "/users/me")).data == before


async def test_what_google_does_not_tell_of_a_name_comes_from_the_address(world: World) -> None:
    nameless = {"name": None, "given_name": None, "family_name": None, "picture": "http://insecure.example/p.png"}
    world.google.knows("t", "g.hopper@acme.test", person=nameless)
    me = (await world.get((await world.google_sign_in("t")).data["token"], "/users/me")).data
    assert (me["first_name"], me["last_name"], me["profile_image_url"]) == ("g.hopper", "g.hopper", None)


async def test_long_names_keep_nobody_out(world: World) -> None:
    long = {"name": "x" * 300, "given_name": "y" * 300, "family_name": "z\0" * 300}
    world.google.knows("t", "long@acme.test", person=long)
    me = (await world.get((await world.google_sign_in("t")).data["token"], "/users/me")).data
    assert (len(me["first_name"]), len(me["last_name"]), len(me["display_name"])) == (50, 50, 80)


async def test_a_broken_authorization_header_is_ignored(world: World) -> None:
    world.google.knows("t", "grace@acme.test")
    for header in ("Bearer undefined", "Bearer null", "Basic abc", "Bearer a.b.c", ""):
        assert (await world.google_sign_in("t", Authorization=header)).status == 200, header


async def test_an_address_of_a_known_domain_comes_in_however_it_is_written(world: World) -> None:
    await world.organisation("Books", "bücher.example")
    people = set()
    for place in ("bücher.example", "BÜCHER.example", "xn--bcher-kva.example", "XN--BCHER-KVA.EXAMPLE"):
        world.google.knows("t", f"X.Y+z@{place}", subject="1")
        people.add(world.context.verifier.verify((await world.google_sign_in("t")).data["token"]).user_id)
    assert len(people) == 1


async def test_a_person_of_one_organisation_does_not_enter_by_the_domain_of_another(world: World) -> None:
    await world.enrol(world.globex, {"nomad": Role.EMPLOYEE})
    await world.owner.execute(
        "UPDATE users SET email = 'nomad@acme.test', folded_email = 'nomad@acme.test' WHERE id = $1",
        world.id_of("nomad"),
    )
    world.google.knows("t", "nomad@acme.test")
    assert (await world.google_sign_in("t")).error == UNAUTHORIZED


async def test_a_deleted_person_is_refused_and_a_restored_one_is_not(world: World) -> None:
    world.google.knows("t", world.email_of("emil"))
    path = f"/users/{world.id_of('emil')}"
    assert (await world.delete("ada", path)).status == 200
    assert (await world.google_sign_in("t")).error == UNAUTHORIZED
    assert (await world.post("ada", f"{path}/restore")).status == 200
    assert (await world.google_sign_in("t")).status == 200


@pytest.mark.parametrize("status", ["SUSPENDED", "CLOSED"])
async def test_nobody_of_a_suspended_organisation_signs_in(world: World, status: str) -> None:
    await world.ask("root", "PATCH", f"/organisations/{world.acme}", {"status": status})
    world.google.knows("new", "grace@acme.test")
    world.google.knows("known", world.email_of("emil"))
    assert (await world.google_sign_in("new")).error == UNAUTHORIZED
    assert (await world.google_sign_in("known")).error == UNAUTHORIZED
    assert (await world.sign_in("emil")).error == UNAUTHORIZED


async def test_google_says_no(world: World) -> None:
    assert (await world.google_sign_in("unheard of")).error == UNAUTHORIZED


async def test_a_body_without_a_token_is_refused_before_google_is_asked(world: World) -> None:
    for body in ({}, {"access_token": ""}, {"access_token": 5}, {"access_token": None}, {"access_token": "x" * 5000}):
        reply = await world.post(None, "/oauth/google", body)
        assert (reply.status, list(reply.error["fields"])) == (400, ["access_token"]), body
    assert world.google.asked == 0


def _answers(status: int, body: bytes = b"{}", **headers: str) -> Any:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=headers)

    return answer


GARBAGE = [b"", b"<html>", b"[]", b"null", b'"text"', b"{", b"\xff\xfe", b'{"aud": NaN}']


async def test_garbage_from_google_is_503(world: World) -> None:
    for body in GARBAGE:
        world.google.instead = _answers(200, body)
        reply = await world.google_sign_in("t")
        assert (reply.status, reply.error["code"]) == (503, "unavailable"), body


async def test_an_answer_of_another_kind_is_503(world: World) -> None:
    world.google.knows("t", "grace@acme.test")
    for asked, status in enumerate((204, 301, 302, 404, 429, 500, 502, 503), 1):
        world.google.instead = _answers(status, b"", Location=f"{world.google.address}/userinfo")
        assert (await world.google_sign_in("t")).status == 503, status
        assert world.google.asked == asked


async def test_a_slow_google_is_503_within_seconds(world: World) -> None:
    for ill in (world.google.hangs, world.google.drips, world.google.floods):
        world.google.instead = ill
        began = time.monotonic()
        reply = await world.google_sign_in("t")
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
        assert time.monotonic() - began < 4


async def test_a_google_that_hangs_up_is_503(world: World) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    world.google.instead = cut
    assert (await world.google_sign_in("t")).status == 503


async def test_a_super_admin_may_use_google_too(world: World) -> None:
    await world.put("root", f"/users/{world.id_of('emil')}", {"role_id": 1})
    world.google.knows("t", world.email_of("emil"))
    principal = world.context.verifier.verify((await world.google_sign_in("t")).data["token"])
    assert (principal.user_id, principal.org_id, principal.role_id) == (world.id_of("emil"), 0, Role.SUPER_ADMIN)
