"""Rows that an import looks for, many at a time."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from shared.database import Connection


class Known(NamedTuple):
    """Somebody whose e-mail address was looked for."""

    user_id: int
    role_id: int
    active: bool


_BY_EMAIL = """
SELECT folded_email, id, role_id, soft_delete_at IS NULL AS active FROM users
WHERE org_id = tenant() AND folded_email = ANY($1::text[])
"""


async def people_by_email(tx: Connection, folded_emails: Collection[str]) -> dict[str, Known]:
    """The organisation's people with these addresses, who left among them, by the folded address."""
    rows = await tx.fetch(_BY_EMAIL, list(folded_emails))
    return {row["folded_email"]: Known(row["id"], row["role_id"], row["active"]) for row in rows}
