"""Reads for the API: SQL straight to the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from shared.database import Connection
from shared.http import Page, Raw, decode_cursor, encode_cursor

CASES = """
SELECT page.place, page.recognition_id, case_document(page.subject, recognitions)::text AS document
FROM (
    SELECT found.place, found.recognition_id, found.subject
    FROM unnest($1::text[]) AS wanted (state)
    CROSS JOIN LATERAL (
        SELECT cases.place, cases.recognition_id, cases AS subject
        FROM cases
        WHERE org_id = tenant() AND state = wanted.state AND NOT withdrawn AND (place, recognition_id) > ($2, $3)
        ORDER BY place, recognition_id
        LIMIT $4::bigint + $5::bigint
    ) AS found
    ORDER BY found.place, found.recognition_id
    OFFSET $4 LIMIT $5
) AS page
JOIN recognitions ON recognitions.org_id = tenant() AND recognitions.id = page.recognition_id
ORDER BY page.place, page.recognition_id
"""

_TOTAL = "SELECT count(*) FROM cases WHERE org_id = tenant() AND state = ANY ($1::text[]) AND NOT withdrawn"

_CASE = """
SELECT cases.version, case_document(cases, recognitions)::text AS document
FROM cases JOIN recognitions ON recognitions.org_id = cases.org_id AND recognitions.id = cases.recognition_id
WHERE cases.org_id = tenant() AND cases.recognition_id = $1
"""


class CasePage(NamedTuple):
    rows: Raw
    total: int | None
    next_cursor: str | None


class CaseDocument(NamedTuple):
    version: int
    document: Raw


async def cases(tx: Connection, states: Sequence[str], page: Page) -> CasePage:
    """The open ones first, the longest waiting at the top; then the decided ones, the newest decision at the top."""
    place, recognition_id = decode_cursor(page.cursor, 2) if page.cursor else (0, 0)
    found = await tx.fetch(CASES, states, place, recognition_id, page.offset, page.limit + 1)
    shown = found[: page.limit]
    rows = Raw("[" + ",".join(row["document"] for row in shown) + "]")
    more = encode_cursor(shown[-1]["place"], shown[-1]["recognition_id"]) if len(found) > page.limit else None
    total = await tx.fetchval(_TOTAL, states) if page.with_total else None
    return CasePage(rows, total, more)


async def case(tx: Connection, recognition_id: int) -> CaseDocument | None:
    """The case about a recognition."""
    row = await tx.fetchrow(_CASE, recognition_id)
    return None if row is None else CaseDocument(row["version"], Raw(row["document"]))
