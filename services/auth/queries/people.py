"""Profiles: one's own, one of another, a list."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.auth.domain.names import prefix_range
from services.auth.queries.selection import Rows, Selection, Source, page_of
from shared.database import Connection, Database
from shared.http import Page, Raw

_ONE = "SELECT version, full_profile(users, $2) AS document FROM users WHERE org_id = tenant() AND id = $1"
# Four short walks along four indexes instead of one along the whole organisation.
_STARTS_WITH = """id IN (
    SELECT id FROM users WHERE org_id = tenant() AND folded_first_name >= {0} AND folded_first_name < {1}
    UNION
    SELECT id FROM users WHERE org_id = tenant() AND folded_last_name >= {0} AND folded_last_name < {1}
    UNION
    SELECT id FROM users WHERE org_id = tenant() AND folded_display_name >= {0} AND folded_display_name < {1}
    UNION
    SELECT id FROM users WHERE org_id = tenant() AND folded_email >= {0} AND folded_email < {1}
)"""


@dataclass(frozen=True, slots=True)
class Document:
    """One resource as JSON, with its version."""

    json: Raw
    version: int


async def my_profile(database: Database, org_id: int, user_id: int, now: datetime) -> Document | None:
    version, body = await database.fetch_value("SELECT my_profile($1, $2, $3)", org_id, user_id, now)
    return None if body is None else Document(Raw(body), version)


async def profile(tx: Connection, user_id: int, now: datetime) -> Document | None:
    row = await tx.fetchrow(_ONE, user_id, now)
    return None if row is None else Document(Raw(row["document"]), row["version"])


def starting_with(selection: Selection, prefix: str) -> None:
    """Leaves out who has neither a name nor an e-mail address with this beginning."""
    selection.only(_STARTS_WITH, *prefix_range(prefix))


async def list_profiles(tx: Connection, query: Mapping[str, Any], page: Page, now: datetime) -> Rows:
    """People of the organisation in the order of their ids. Raises `InvalidData` for a cursor that is none."""
    selection = Selection(["org_id = tenant()"])
    if not query.get("include_deleted"):
        selection.only("soft_delete_at IS NULL")
    if "role_id" in query:
        selection.only("role_id = {}::smallint", query["role_id"])
    if query.get("starts_with"):
        starting_with(selection, query["starts_with"])
    return await page_of(tx, Source("users", "id, profile(users, {})::text AS document", (now,)), selection, page)
