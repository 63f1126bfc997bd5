"""Every operation of every service with every role, and with another organisation's things.

Generated from the OpenAPI documents: an operation without a declared permission or without a case here fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services import documents
from services.catalogue import SERVICES
from shared.health import HEALTH_ROUTES
from shared.identity import AUTHENTICATED, PUBLIC, Role
from shared.identity.roles import SCOPES
from tests.support.cases import CASES
from tests.support.conformance import check_conformance
from tests.support.databases import Databases, build_template
from tests.support.installation import installation
from tests.support.walk import (
    MEMBERS,
    OPERATIONS,
    UNKNOWN_ID,
    WITH_FILTERS,
    WITH_IDS,
    WITH_REFERENCES,
    Operation,
    World,
    named,
    refusal,
    tell_nothing_apart,
    without,
)


def test_s50_every_operation_has_a_case_and_every_case_an_operation() -> None:
    assert {one.name for one in OPERATIONS} == set(CASES)


def test_s50_the_document_names_every_route_that_is_served() -> None:
    served = [*HEALTH_ROUTES, *documents.routes(), *(route for service in SERVICES for route in service.routes)]
    assert sorted(one.name for one in OPERATIONS) == sorted(f"{route.method} {route.path}" for route in served)


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_s4_every_operation_declares_a_permission_of_the_table(operation: Operation) -> None:
    assert operation.permission in SCOPES | {PUBLIC, AUTHENTICATED}


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_s4_the_table_admits_whom_the_contract_admits(operation: Operation) -> None:
    assert {role for role in (None, *Role) if operation.admits(role)} == operation.case.who


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
def test_s4_the_document_tells_the_roles_of_the_table(operation: Operation) -> None:
    admitted = [role.name.lower() for role in Role if operation.admits(role)]
    assert operation.described["x-roles"] == (["anyone"] if operation.permission == PUBLIC else admitted)
    assert ("security" in operation.described) == (operation.permission != PUBLIC)


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    database = await databases.make(build_template)
    async with installation(database, tmp_path_factory.mktemp("walk")) as peerly:
        ours, theirs = await peerly.company(), await peerly.company()
        yield World(peerly, ours, theirs, await peerly.super_admin())
    await databases.drop(database)


@pytest.mark.parametrize("role", [None, *Role], ids=named)
@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_s4_s30_s35_each_role_may_do_what_the_table_says(
    world: World, operation: Operation, role: Role | None
) -> None:
    """And the answer has the fields of the document and no other, and every header."""
    reply = await world.send(operation, role)
    check_conformance(operation, reply, signed_in=role is not None)
    if operation.admits(role):
        expected = operation.success if role is None else operation.case.instead.get(role, operation.success)
        assert reply.status == expected, reply.raw
    elif role is None:
        assert reply.status == 401
        assert reply.body == refusal(operation, "invalid_token", "unauthorized user")
    else:
        assert reply.status == 403
        assert reply.body == refusal(operation, "access_denied", "Permission required")


@pytest.mark.parametrize("role", MEMBERS, ids=named)
@pytest.mark.parametrize("operation", WITH_IDS, ids=named)
async def test_s1_anothers_thing_is_as_one_that_never_was(world: World, operation: Operation, role: Role) -> None:
    theirs = await operation.case.ids(world.stage(role, world.theirs))
    foreign = await world.send(operation, role, ids=theirs)
    unknown = await world.send(operation, role, ids=dict.fromkeys(theirs, UNKNOWN_ID))
    assert foreign.status in {400, 403, 404}
    assert (foreign.status == 403) or operation.admits(role)
    tell_nothing_apart(foreign, unknown)


@pytest.mark.parametrize("role", MEMBERS, ids=named)
@pytest.mark.parametrize(("operation", "field"), WITH_REFERENCES, ids=named)
async def test_s1_anothers_thing_in_a_body_is_as_one_that_never_was(
    world: World, operation: Operation, field: str, role: Role
) -> None:
    stage = world.stage(role)
    body, ids = await operation.case.body(stage), await operation.case.ids(stage)
    theirs = await operation.case.references[field](world.stage(role, world.theirs))
    foreign = await world.send(operation, role, ids=ids, body=body | {field: theirs})
    unknown = await world.send(operation, role, ids=ids, body=body | {field: UNKNOWN_ID})
    assert foreign.status == (400 if operation.admits(role) else 403)
    tell_nothing_apart(foreign, unknown)


@pytest.mark.parametrize("role", MEMBERS, ids=named)
@pytest.mark.parametrize(("operation", "parameter"), WITH_FILTERS, ids=named)
async def test_s2_anothers_thing_as_a_filter_finds_nothing(
    world: World, operation: Operation, parameter: str, role: Role
) -> None:
    theirs = await operation.case.filters[parameter](world.stage(role, world.theirs))
    foreign = await world.send(operation, role, params={parameter: str(theirs)})
    unknown = await world.send(operation, role, params={parameter: str(UNKNOWN_ID)})
    assert (foreign.status, foreign.data) == (200, [])
    tell_nothing_apart(without(foreign, theirs), without(unknown, UNKNOWN_ID))


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.permission != PUBLIC], ids=named)
async def test_s1_naming_another_organisation_is_refused(world: World, operation: Operation) -> None:
    stage = world.stage(Role.ORGANISATION_ADMIN)
    reply = await world.peerly.ask(
        operation.method,
        operation.at(await operation.case.ids(stage)),
        token=world.ours.admin.token,
        body=await operation.case.body(stage),
        headers={"X-Org-Id": str(world.theirs.id)},
    )
    assert reply.status == 403
    assert reply.body == refusal(operation, "access_denied", "Permission required")


@pytest.mark.parametrize("operation", [one for one in OPERATIONS if one.method == "GET"], ids=named)
async def test_s1_a_parameter_for_super_admins_shows_nobody_else_another_organisation(
    world: World, operation: Operation
) -> None:
    reply = await world.send(operation, Role.ORGANISATION_ADMIN, params={"org_id": str(world.theirs.id)})
    assert reply.status in {200, 403}


@pytest.mark.parametrize(
    "route", [route for service in SERVICES for route in service.routes if route.operation.tenant], ids=lambda r: r.path
)
async def test_s1_a_super_admin_names_the_organisation_on_a_tenants_route(world: World, route: Any) -> None:
    operation = next(one for one in OPERATIONS if one.name == f"{route.method} {route.path}")
    stage = world.stage(Role.SUPER_ADMIN)
    path, body = operation.at(await operation.case.ids(stage)), await operation.case.body(stage)
    reply = await world.peerly.ask(operation.method, path, token=world.root.token, body=body)
    if operation.path.startswith("/insights/"):
        assert (reply.status, "org_id: " in reply.body["error"]) == (400, True)
    elif operation.admits(Role.SUPER_ADMIN):
        assert (reply.status, set(reply.body["error"]["fields"])) == (400, {"org_id"})
    else:
        assert reply.status == 403
