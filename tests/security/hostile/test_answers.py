"""S29, S30: what goes in beside the contract changes nothing, and no answer has a place for secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import asyncpg
import pytest

from services import documents
from services.catalogue import SERVICES
from shared.identity import Role
from tests.support.walk import OPERATIONS, Operation, World, named

SCHEMAS: Mapping[str, Any] = documents.merged()["components"]["schemas"]
STRANGE = ("assigned-from-outside", 8_765_432_101_234)
WITH_BODY = [one for one in OPERATIONS if "requestBody" in one.described and not one.case.form]
COLUMNS = "SELECT DISTINCT column_name FROM information_schema.columns WHERE table_schema = ANY($1)"
ALSO = {
    "id", "role_id", "role", "org_id", "user_id", "given_by", "given_at", "reported_by", "reviewed_by", "made_by",
    "balance",
    "hi5_quota_balance", "hi5_count", "generation", "version", "scopes_granted", "is_admin", "admin", "permissions",
    "hidden",
    "deleted_at", "created_at", "soft_delete_at", "password_hash", "google_subject", "email_verified", "acts_for",
    "jti",
    "__proto__", "constructor", "$where", "_method",
}  # fmt: skip
SECRET_NAMES = {
    "hash",
    "password_hash",
    "google_subject",
    "generation",
    "sealed",
    "token_hash",
    "code_hash",
    "folded_email",
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS.keys())
def test_s30_no_resource_has_a_field_that_is_nobodys_business(schema: Mapping[str, Any]) -> None:
    assert not set(schema.get("properties", {})) & SECRET_NAMES


@pytest.mark.parametrize("operation", WITH_BODY, ids=named)
async def test_s29_no_key_beside_the_contract_is_stored(
    world: World, owner: asyncpg.Connection[asyncpg.Record], operation: Operation
) -> None:
    """Every column of every table, and more, as an extra key: the answer is as without, and no value is anywhere."""
    columns = {row["column_name"] for row in await owner.fetch(COLUMNS, [service.name for service in SERVICES])}
    role = next(role for role in (Role.ORGANISATION_ADMIN, Role.SUPER_ADMIN) if operation.admits(role))
    body = await operation.case.body(world.stage(role)) or {}
    more = sorted((columns | ALSO) - set(names_of(operation)) - set(body))
    assert len(more) > 100
    extra = {name: STRANGE[place % 2] for place, name in enumerate(more)}
    reply = await world.send(operation, role, body={**extra, **body})
    if operation.path.endswith("/query"):  # stores nothing, and names whatever it does not know
        assert (reply.status, set(reply.error["fields"])) == (400, set(extra))
    else:
        assert reply.status == operation.case.instead.get(role, operation.success), reply.raw
    for strange in map(str, STRANGE):
        assert strange.encode() not in reply.raw
        assert await tables_with(owner, strange) == []


def names_of(operation: Operation) -> Iterator[str]:
    for content in operation.described["requestBody"]["content"].values():
        schema = content["schema"]
        yield from SCHEMAS[schema["$ref"].rpartition("/")[2]]["properties"]


async def tables_with(owner: asyncpg.Connection[asyncpg.Record], text: str) -> list[str]:
    """Tables in which this text is anywhere in a row."""
    tables = await owner.fetch(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = ANY($1)",
        [service.name for service in SERVICES],
    )
    found = " UNION ALL ".join(
        f"SELECT '{row['name']}' AS name WHERE EXISTS"
        f" (SELECT FROM {row['name']} AS one WHERE to_jsonb(one)::text LIKE '%' || $1 || '%')"
        for row in tables
    )
    return [row["name"] for row in await owner.fetch(found, text)]


async def test_s29_what_is_looked_for_would_be_found(world: World, owner: asyncpg.Connection[asyncpg.Record]) -> None:
    body = {"text": "findable-by-this-test", "description": "To dare"}
    await world.peerly.expect(201, "POST", "/core_values", token=world.ours.admin.token, body=body)
    assert "recognition.core_values" in await tables_with(owner, "findable-by-this-test")
