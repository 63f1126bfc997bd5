"""Identity providers as their organisation's admins see them."""

from __future__ import annotations

from services.auth.queries.people import Document
from services.auth.queries.selection import Rows, Selection, Source, page_of
from shared.database import Connection
from shared.http import Page, Raw

_PROVIDERS = Source("identity_providers", "id, identity_provider_document(identity_providers)::text AS document")
_PROVIDER = """
SELECT version, identity_provider_document(identity_providers)::text AS document
FROM identity_providers WHERE org_id = tenant() AND id = $1
"""


async def list_providers(tx: Connection, page: Page) -> Rows:
    """The organisation's identity providers, by id."""
    return await page_of(tx, _PROVIDERS, Selection(["org_id = tenant()"]), page)


async def identity_provider(tx: Connection, provider_id: int) -> Document | None:
    row = await tx.fetchrow(_PROVIDER, provider_id)
    return None if row is None else Document(Raw(row["document"]), row["version"])
