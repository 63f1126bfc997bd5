"""Applications, and what somebody allowed which of them."""

from __future__ import annotations

from services.auth.queries.people import Document
from services.auth.queries.selection import Rows, Selection, Source, page_of
from shared.database import Connection
from shared.http import Page, Raw

_CLIENT = """
SELECT version, oauth_client_document(oauth_clients) AS document FROM oauth_clients
WHERE org_id = tenant() AND id = $1
"""


async def client(tx: Connection, application: int) -> Document | None:
    row = await tx.fetchrow(_CLIENT, application)
    return None if row is None else Document(Raw(row["document"]), row["version"])


async def list_clients(tx: Connection, page: Page) -> Rows:
    """Raises `InvalidData` for a cursor that is none."""
    source = Source("oauth_clients", "id, oauth_client_document(oauth_clients)::text AS document")
    return await page_of(tx, source, Selection(["org_id = tenant()"]), page)


async def list_grants(tx: Connection, user_id: int, page: Page) -> Rows:
    """Raises `InvalidData` for a cursor that is none."""
    selection = Selection(["org_id = tenant()"])
    selection.only("user_id = {}", user_id)
    source = Source("oauth_grants", "id, oauth_grant_document(oauth_grants)::text AS document")
    return await page_of(tx, source, selection, page)
