"""TM-7: whatever changes something leaves an entry in a history, with who did it and in which request.

Generated from the OpenAPI documents: a new operation that writes either leaves one or is listed here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from services.connections import SERVICE_NAMES
from shared.identity import Role
from tests.support.databases import Databases, build_template
from tests.support.installation import installation
from tests.support.waiting import eventually
from tests.support.walk import OPERATIONS, Operation, World, named

LEAVES_NONE = {
    "POST /login", "POST /logout", "POST /oauth/google", "POST /authentication/login",
    "POST /oauth/authorize", "POST /oauth/token", "POST /oauth/revoke", "POST /oauth/introspect",
    "DELETE /users/me/grants/{id}", "DELETE /users/me/sessions/{id}",
    "PUT /users/me/password", "POST /password-resets/{token}", "POST /password-resets/{token}/form",
    "POST /recognitions/{id}/hi5",
}  # fmt: skip
"""Sessions are no kind with a history; a hi5 is a record itself, with its own list. Passwords that are right are set in
tests/component/auth/test_passwords.py."""
WRITES = [
    one for one in OPERATIONS if one.method != "GET" and not one.path.endswith("/query") and one.name not in LEAVES_NONE
]
ENTRIES = " UNION ALL ".join(
    f"SELECT kind, action, actor_id, changes::text FROM {name}.history WHERE request_id = $1" for name in SERVICE_NAMES
)


@dataclass(frozen=True, slots=True)
class Audited:
    """A running Peerly with a company, and a superuser of its database."""

    world: World
    auditor: asyncpg.Connection[asyncpg.Record]


@pytest.fixture(scope="module")
async def audited(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Audited]:
    database = await databases.make(build_template)
    auditor = await asyncpg.connect(database.admin_url, timeout=10)
    async with installation(database, tmp_path_factory.mktemp("history")) as peerly:
        ours, theirs = await peerly.company(), await peerly.company()
        yield Audited(World(peerly, ours, theirs, await peerly.super_admin()), auditor)
    await auditor.close(timeout=5)
    await databases.drop(database)


@pytest.mark.parametrize("operation", WRITES, ids=named)
async def test_tm7_a_change_leaves_an_entry_of_who_and_what(audited: Audited, operation: Operation) -> None:
    world = audited.world
    role = next(role for role in (Role.ORGANISATION_ADMIN, Role.SUPER_ADMIN, Role.EMPLOYEE) if operation.admits(role))
    reply = await world.send(operation, role)
    assert reply.status == operation.success, reply.raw
    entries = await eventually(lambda: audited.auditor.fetch(ENTRIES, reply.headers["X-Request-Id"]))
    assert {entry["actor_id"] for entry in entries} == {world.stage(role).caller.id}
