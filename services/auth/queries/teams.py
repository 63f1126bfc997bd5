"""Teams as members see them."""

from __future__ import annotations

from services.auth.queries.people import Document
from services.auth.queries.selection import Rows, Selection, Source, page_of
from shared.database import Connection
from shared.http import Page, Raw

_ONE = "SELECT version, team_document(teams)::text AS document FROM teams WHERE org_id = tenant() AND id = $1"
_ALL = Source("teams", "id, team_document(teams)::text AS document")


async def team(tx: Connection, team_id: int) -> Document | None:
    row = await tx.fetchrow(_ONE, team_id)
    return None if row is None else Document(Raw(row["document"]), row["version"])


async def list_teams(tx: Connection, page: Page) -> Rows:
    """The organisation's teams in the order of their ids. Raises `InvalidData` for a cursor that is none."""
    return await page_of(tx, _ALL, Selection(["org_id = tenant()"]), page)
