"""The directory: basic data of the people who are here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.auth.queries.people import starting_with
from services.auth.queries.selection import Rows, Selection, Source, page_of
from shared.database import Connection
from shared.http import Page

_ENTRIES = Source("users", "id, directory_entry(users)::text AS document")


async def list_entries(tx: Connection, query: Mapping[str, Any], page: Page) -> Rows:
    """People who have not left, in the order in which they came. Raises `InvalidData` for a cursor that is none."""
    selection = Selection(["org_id = tenant()", "soft_delete_at IS NULL"])
    if query.get("q"):
        starting_with(selection, query["q"])
    return await page_of(tx, _ENTRIES, selection, page)
