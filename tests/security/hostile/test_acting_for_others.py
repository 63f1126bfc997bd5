"""S6, S7: who asks is who the token says, whatever body, query and headers say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest

from tests.support.api import Reply
from tests.support.installation import Member
from tests.support.staging import Stage, case_of_moderation, core_value, recognition
from tests.support.waiting import eventually
from tests.support.walk import World

FIELDS = [
    "given_by", "given_by_id", "given_by_user", "giver", "giver_id", "sender", "from", "author", "user_id", "user",
    "sub",
    "on_behalf_of", "actor", "act", "created_by", "caller",
]  # fmt: skip
HEADERS = [
    "X-User-Id", "X-User", "X-Remote-User", "Remote-User", "X-Forwarded-User", "X-Forwarded-Email", "X-Auth-User",
    "X-Authenticated-User", "X-Impersonate", "X-On-Behalf-Of", "X-Act-As", "X-Role", "X-Role-Id", "X-Original-User",
    "From",
]  # fmt: skip
OF_THE_GATEWAY = ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Client-IP"]


async def thanks(
    world: World, by: Member, more: Mapping[str, Any] = MappingProxyType({}), query: str = "", **headers: str
) -> Reply:
    value = await core_value(world_stage(world))
    body = {"given_for": world.ours.colleague.id, "core_value_id": value, "text": "Thanks", **more}
    return await world.peerly.ask("POST", f"/recognitions{query}", token=by.token, body=body, headers=headers)


def world_stage(world: World) -> Stage:
    return Stage(world.peerly, world.ours, world.ours.employee)


@pytest.mark.parametrize("field", FIELDS)
async def test_s6_no_field_and_no_parameter_says_who_gives(world: World, field: str) -> None:
    other = world.ours.moderator.id
    for reply in (
        await thanks(world, world.ours.employee, {field: other}),
        await thanks(world, world.ours.employee, {field: {"id": other}}),
        await thanks(world, world.ours.employee, query=f"?{field}={other}"),
    ):
        assert (reply.status, reply.data["given_by"]) == (201, world.ours.employee.id)


@pytest.mark.parametrize("header", HEADERS)
async def test_s7_no_header_says_who_asks(world: World, header: str) -> None:
    told = {header: str(world.ours.admin.id)}
    reply = await thanks(world, world.ours.employee, {}, "", **told)
    assert (reply.status, reply.data["given_by"]) == (201, world.ours.employee.id)
    assert (await world.peerly.ask("GET", "/users/me", headers=told)).status == 401
    me = await world.peerly.expect(200, "GET", "/users/me", token=world.ours.employee.token, headers=told)
    assert (me["id"], me["role_id"]) == (world.ours.employee.id, int(world.ours.employee.role))


@pytest.mark.parametrize("header", OF_THE_GATEWAY)
async def test_s7_no_header_of_a_gateway_opens_anything(world: World, header: str) -> None:
    for value in ("127.0.0.1", "for=127.0.0.1", "localhost", "::1", "x" * 4_000, "127.0.0.1, 127.0.0.1", "<script>"):
        for path in ("/users", "/organisations", "/hi5s/proof"):
            reply = await world.peerly.ask("GET", path, headers={header: value})
            assert reply.status == 401


@pytest.mark.parametrize(
    "path", ["/metrics", "/internal", "/admin", "/debug", "/.env", "/server-status", "/v1/internal"]
)
async def test_s7_nothing_internal_is_served(world: World, path: str) -> None:
    for token in (None, world.ours.admin.token):
        assert (await world.peerly.ask("GET", path, token=token)).status in {401, 404}


@pytest.mark.parametrize("field", ["reported_by", "reported_by_user", "user_id"])
async def test_s6_no_field_says_who_reports(world: World, field: str) -> None:
    made = await recognition(world_stage(world))
    body = {"mark_as": "fraud", "reason": "Not so", field: world.ours.employee.id}
    reply = await world.peerly.ask("POST", f"/recognitions/{made}/report", token=world.ours.colleague.token, body=body)
    assert reply.data["reported_by"] == world.ours.colleague.id


@pytest.mark.parametrize("field", ["reviewed_by", "moderator_id"])
async def test_s6_no_field_says_who_reviews(world: World, field: str) -> None:
    made = await case_of_moderation(world_stage(world))
    body = {"is_inappropriate": False, field: world.ours.admin.id}
    reply = await world.peerly.ask("POST", f"/recognitions/{made}/review", token=world.ours.moderator.token, body=body)
    assert reply.data["reviewed_by"] == world.ours.moderator.id


async def test_s6_nobody_thanks_themselves(world: World) -> None:
    reply = await thanks(world, world.ours.colleague)
    assert reply.status == 422


async def test_s6_nobody_hi5s_what_they_received(world: World) -> None:
    made = await recognition(world_stage(world))
    reply = await world.peerly.ask("POST", f"/recognitions/{made}/hi5", token=world.ours.colleague.token)
    assert reply.status == 422


@pytest.mark.parametrize("whose", ["ours", "theirs"])
async def test_s6_nobody_hi5s_what_they_cannot_see(world: World, whose: str) -> None:
    """Hidden by a moderator, or another company's: both are as nothing."""
    company = getattr(world, whose)
    stage = Stage(world.peerly, company, company.employee)
    made = await case_of_moderation(stage)
    await stage.do("POST", f"/recognitions/{made}/review", {"is_inappropriate": True}, company.moderator)

    async def is_hidden() -> bool:
        return (await world.peerly.ask("GET", f"/recognitions/{made}", token=company.employee.token)).status == 404

    await eventually(is_hidden)
    caller = (await world.peerly.newcomer(world.ours.domain)).token
    hidden = await world.peerly.ask("POST", f"/recognitions/{made}/hi5", token=caller)
    unknown = await world.peerly.ask("POST", f"/recognitions/{2**53 - 1}/hi5", token=caller)
    assert (hidden.status, hidden.raw) == (unknown.status, unknown.raw)
    assert hidden.status in {400, 404}
