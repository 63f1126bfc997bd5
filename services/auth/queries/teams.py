"""Teams as members see them."""

from __future__ import annotations

from services.auth.queries.people import Document
from shared.database import Connection
from shared.http import Raw

_ONE = "SELECT version, team_document(teams)::text AS document FROM teams WHERE org_id = tenant() AND id = $1"


async def team(tx: Connection, team_id: int) -> Document | None:
    row = await tx.fetchrow(_ONE, team_id)
    return None if row is None else Document(Raw(row["document"]), row["version"])
