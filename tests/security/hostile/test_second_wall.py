"""S3: with the application's own conditions on tenants taken out, row-level security alone keeps companies apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from services.catalogue import SERVICES
from shared.identity import Role
from tests.security.hostile.unfiltered import without_conditions
from tests.support.databases import Databases, ScratchDatabase, build_template
from tests.support.installation import installation
from tests.support.staging import core_value
from tests.support.walk import (
    OPERATIONS,
    UNKNOWN_ID,
    WITH_FILTERS,
    WITH_IDS,
    WITH_REFERENCES,
    Operation,
    World,
    named,
    tell_nothing_apart,
    without,
)

ROLE = Role.ORGANISATION_ADMIN
FUNCTIONS = """
SELECT pg_get_functiondef(oid) AS text FROM pg_proc
WHERE pronamespace = $1::regnamespace AND prokind = 'f' AND NOT prosecdef
"""
LISTS = [one for one in OPERATIONS if one.method == "GET" and "{" not in one.path and one.admits(ROLE)]
LEAKS = {"/users": "auth.users", "/core_values": "recognition.core_values"}


@dataclass(slots=True)
class Unfiltered:
    """Two companies on a Peerly without conditions, and which statements lost one."""

    world: World
    database: ScratchDatabase
    rewritten: Path


@pytest.fixture(scope="module")
async def unfiltered(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Unfiltered]:
    database, folder = await databases.make(build_template), tmp_path_factory.mktemp("unfiltered")
    rewritten = folder / "statements"
    await rewrite_functions(database)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PEERLY_TEST_REWRITTEN", str(rewritten))
        async with installation(database, folder, program="tests.security.hostile.unfiltered") as peerly:
            ours, theirs = await peerly.company(), await peerly.company()
            yield Unfiltered(World(peerly, ours, theirs, await peerly.super_admin()), database, rewritten)
    await databases.drop(database)


@pytest.fixture
def world(unfiltered: Unfiltered) -> World:
    return unfiltered.world


async def rewrite_functions(database: ScratchDatabase) -> None:
    """All functions but those that run with another role's rights, which are listed in auth's isolation tests."""
    admin = await asyncpg.connect(database.admin_url)
    changed = 0
    for service in SERVICES:
        await admin.execute(f"SET search_path = {service.name}")
        for row in await admin.fetch(FUNCTIONS, service.name):
            rewritten = without_conditions(row["text"])
            if rewritten != row["text"]:
                await admin.execute(rewritten)
                changed += 1
    await admin.close()
    assert changed >= 8


@pytest.mark.parametrize("operation", WITH_IDS, ids=named)
async def test_s3_anothers_thing_is_as_one_that_never_was(world: World, operation: Operation) -> None:
    theirs = await operation.case.ids(world.stage(ROLE, world.theirs))
    foreign = await world.send(operation, ROLE, ids=theirs)
    unknown = await world.send(operation, ROLE, ids=dict.fromkeys(theirs, UNKNOWN_ID))
    assert foreign.status in {400, 403, 404}
    tell_nothing_apart(foreign, unknown)


@pytest.mark.parametrize(("operation", "field"), WITH_REFERENCES, ids=named)
async def test_s3_anothers_thing_in_a_body_is_as_one_that_never_was(
    world: World, operation: Operation, field: str
) -> None:
    stage = world.stage(ROLE)
    body, ids = await operation.case.body(stage), await operation.case.ids(stage)
    theirs = await operation.case.references[field](world.stage(ROLE, world.theirs))
    foreign = await world.send(operation, ROLE, ids=ids, body=body | {field: theirs})
    unknown = await world.send(operation, ROLE, ids=ids, body=body | {field: UNKNOWN_ID})
    assert foreign.status == 400
    tell_nothing_apart(foreign, unknown)


@pytest.mark.parametrize(("operation", "parameter"), WITH_FILTERS, ids=named)
async def test_s3_anothers_thing_as_a_filter_finds_nothing(world: World, operation: Operation, parameter: str) -> None:
    theirs = await operation.case.filters[parameter](world.stage(ROLE, world.theirs))
    foreign = await world.send(operation, ROLE, params={parameter: str(theirs)})
    unknown = await world.send(operation, ROLE, params={parameter: str(UNKNOWN_ID)})
    assert (foreign.status, foreign.data) == (200, [])
    tell_nothing_apart(without(foreign, theirs), without(unknown, UNKNOWN_ID))


@pytest.mark.parametrize("operation", LISTS, ids=named)
async def test_s3_no_list_and_no_count_has_anothers_rows(world: World, operation: Operation) -> None:
    """`send` looks for the other company's name in the answer; a list that counts, counts its own rows."""
    reply = await world.send(operation, ROLE, params={"total": "true", "limit": "100"} if is_paged(operation) else {})
    assert reply.status == 200
    if is_paged(operation):
        assert reply.body.get("meta", {}).get("total", len(reply.data)) <= max(100, len(reply.data))
        assert not [one for one in reply.data if one.get("org_id", world.ours.id) != world.ours.id]


def is_paged(operation: Operation) -> bool:
    return any(parameter.get("name") == "limit" for parameter in operation.described.get("parameters", ()))


async def test_s3_the_conditions_really_were_away(unfiltered: Unfiltered) -> None:
    """Where the second wall is taken down too, the other company's rows are seen: nothing else held them back."""
    world = unfiltered.world
    assert len(unfiltered.rewritten.read_text().splitlines()) >= 40
    stage = world.stage(ROLE, world.theirs)
    await core_value(stage)
    admin = await asyncpg.connect(unfiltered.database.admin_url)
    try:
        for path, table in LEAKS.items():
            await admin.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
            reply = await world.peerly.ask("GET", f"{path}?limit=100", token=world.ours.admin.token)
            await admin.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
            assert world.theirs.domain.encode() in reply.raw, path
            again = await world.peerly.ask("GET", f"{path}?limit=100", token=world.ours.admin.token)
            assert world.theirs.domain.encode() not in again.raw, path
    finally:
        await admin.close()
