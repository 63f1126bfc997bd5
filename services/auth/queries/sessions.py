"""Sign-ins as their owners see them."""

from __future__ import annotations

from datetime import datetime

from services.auth.queries.credentials import NOT_LEAKED, OF_GENERATION
from services.auth.queries.selection import Rows, Selection, Source, page_of
from shared.database import Connection
from shared.http import Page
from shared.identity import Principal


async def list_sessions(tx: Connection, principal: Principal, page: Page, now: datetime) -> Rows:
    """The sign-ins of a person that are accepted now, by id."""
    columns = "id, session_document(sessions, {})::text AS document"
    selection = Selection(["org_id = tenant()", NOT_LEAKED])
    selection.only("user_id = {}", principal.user_id)
    selection.only("expires_at > {}", now)
    selection.only(OF_GENERATION, principal.user_id)
    return await page_of(tx, Source("sessions", columns, (principal.jti,)), selection, page)
