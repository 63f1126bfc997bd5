"""Organisations as their admins, their members and the installation's see them."""

from __future__ import annotations

import orjson

from services.auth.domain.organisations import without_billing
from services.auth.queries.people import Document
from services.auth.queries.selection import Rows, Selection, Source, page_of
from shared.database import Connection
from shared.http import Page, Raw

_ONE = "SELECT version, organisation_document(organisations)::text AS document FROM organisations WHERE id = $1"
_ALL = Source("organisations", "id, organisation_document(organisations)::text AS document")


async def organisation(tx: Connection, org_id: int, *, with_billing: bool) -> Document | None:
    """One organisation; the installation's own is none."""
    row = await tx.fetchrow(_ONE, org_id)
    if row is None or org_id == 0:
        return None
    document = row["document"]
    if not with_billing:
        document = orjson.dumps(without_billing(orjson.loads(document)))
    return Document(Raw(document), row["version"])


async def list_organisations(tx: Connection, page: Page) -> Rows:
    """All organisations of the installation in the order of their ids."""
    return await page_of(tx, _ALL, Selection(["id > 0"]), page)


async def organisation_exists(tx: Connection, org_id: int) -> bool:
    return bool(await tx.fetchval("SELECT true FROM organisations WHERE id = $1", org_id))
