"""Organisations as customer records."""

from __future__ import annotations

import orjson

from services.auth.domain.customers import customer_of
from services.auth.queries import organisations
from services.auth.queries.people import Document
from services.auth.queries.selection import Rows
from shared.database import Connection
from shared.http import Page, Raw


async def customer(tx: Connection, org_id: int) -> Document | None:
    """One organisation; the installation's own is none."""
    found = await organisations.organisation(tx, org_id, with_billing=True)
    return None if found is None else Document(Raw(_converted(found.json)), found.version)


async def list_customers(tx: Connection, page: Page) -> Rows:
    """All organisations in the order of their ids. Raises `InvalidData` for a cursor that is none."""
    found = await organisations.list_organisations(tx, page)
    return Rows(Raw(_converted(found.json)), found.total, found.next_cursor)


def _converted(json: Raw) -> bytes:
    known = orjson.loads(json.bytes)
    return orjson.dumps(list(map(customer_of, known)) if isinstance(known, list) else customer_of(known))
