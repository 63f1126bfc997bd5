"""Reads for the API: SQL straight to the answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from services.quota import commands, domain, store
from shared.database import Connection, Database
from shared.errors import NotFound
from shared.http import Page, Raw, decode_cursor, encode_cursor
from shared.maintenance import windows_between
from shared.periods import Window

_FAR = 253_402_300_799
"""The last second that everybody can print; a cursor beyond it is before the first line."""

LINES = """
SELECT epoch_seconds(at) AS at, id, json_build_object(
    'id', id, 'at', epoch_seconds(at), 'kind', kind, 'amount', amount, 'balance_after', balance_after,
    'event_id', event_id, 'recognition_id', recognition_id, 'reason', reason
)::text AS line
FROM (
    (SELECT entry.id, entry.at, entry.kind, entry.amount, entry.balance_after, entry.event_id, entry.recognition_id,
        CASE WHEN entry.kind = 'adjustment' THEN (
            SELECT reason FROM adjustments WHERE adjustments.org_id = tenant() AND adjustments.id = entry.id
        ) END AS reason
    FROM entries AS entry
    WHERE entry.org_id = tenant() AND entry.user_id = $1
        AND (entry.at, entry.id) < (to_timestamp($2::bigint), $3::bigint)
    ORDER BY entry.at DESC, entry.id DESC LIMIT $4::bigint + $5::bigint)
    UNION ALL
    (SELECT made.id, made.at, 'adjustment', made.amount, made.balance_after, made.event_id, NULL, made.reason
    FROM adjustments AS made
    WHERE made.org_id = tenant() AND made.user_id = $1 AND (made.at, made.id) < (to_timestamp($2::bigint), $3::bigint)
        AND NOT EXISTS (SELECT FROM entries WHERE entries.org_id = tenant() AND entries.id = made.id)
    ORDER BY made.at DESC, made.id DESC LIMIT $4::bigint + $5::bigint)
) AS lines
ORDER BY lines.at DESC, lines.id DESC OFFSET $4 LIMIT $5
"""

_TOTAL = """
SELECT (SELECT count(*) FROM entries WHERE org_id = tenant() AND user_id = $1) + (
    SELECT count(*) FROM adjustments AS made
    WHERE made.org_id = tenant() AND made.user_id = $1
        AND NOT EXISTS (SELECT FROM entries WHERE entries.org_id = tenant() AND entries.id = made.id)
)
"""


class LedgerPage(NamedTuple):
    rows: Raw
    total: int | None
    next_cursor: str | None


async def quota_now(database: Database, org_id: int, user_id: int, now: datetime) -> Raw | None:
    """The quota of a person who has an allowance now, in one round trip."""
    found: str | None = await database.fetch_value("SELECT quota_now($1, $2, $3)", org_id, user_id, now)
    return None if found is None else Raw(found)


async def quota_without_allowance(tx: Connection, user_id: int, now: datetime) -> dict[str, Any]:
    """The quota of a person who has spent nothing in this period; raises `PolicyUnknown`."""
    running, limit = await commands.running_or_nominal(tx, user_id, now)
    target = limit + await store.adjusted_in(tx, user_id, running.window)
    return {
        "balance": domain.left(target, running.net),
        "limit": max(0, target),
        "spent": running.net,
        "period_start": int(running.window.start.timestamp()),
        "resets_at": int(running.window.end.timestamp()),
    }


async def availability(tx: Connection, user_id: int, asked: Window, *, is_caller: bool) -> dict[str, Any]:
    """Whether a person may give a hi5 at some moment of a time that is not over, and why not.

    A caller who is not known yet is a member all the same. Raises `NotFound` for anybody else.
    """
    active = await tx.fetchval("SELECT active FROM members WHERE org_id = tenant() AND user_id = $1", user_id)
    if active is None and not is_caller:
        raise NotFound("User")
    try:
        running, limit = await commands.running_or_nominal(tx, user_id, asked.start)
    except commands.PolicyUnknown:
        return unavailable("policy_unknown")
    left = domain.left(limit + await store.adjusted_in(tx, user_id, running.window), running.net)
    closed = [Window(one.starts_at, one.ends_at) for one in await windows_between(tx, asked.start, asked.end)]
    found = domain.obstacles(asked, domain.Means(left, limit, running.window.end), closed)
    reasons = found if active is not False else ["inactive", *found]
    return {
        "available": not reasons,
        "reasons": reasons,
        "balance": left,
        "resets_at": int(running.window.end.timestamp()),
    }


def unavailable(reason: domain.Obstacle) -> dict[str, Any]:
    """Where there is no period to speak of."""
    return {"available": False, "reasons": [reason], "balance": 0, "resets_at": None}


async def is_member(tx: Connection, user_id: int) -> bool:
    """Whether this person is or was of the organisation."""
    return bool(
        await tx.fetchval("SELECT EXISTS (SELECT FROM members WHERE org_id = tenant() AND user_id = $1)", user_id)
    )


async def ledger(tx: Connection, user_id: int, page: Page) -> LedgerPage:
    """The lines of a person's ledger, the newest first; adjustments that wait for their posting included."""
    at, line = decode_cursor(page.cursor, 2) if page.cursor else (_FAR, 0)
    found = await tx.fetch(LINES, user_id, min(max(at, 0), _FAR), line, page.offset, page.limit + 1)
    shown = found[: page.limit]
    rows = Raw("[" + ",".join(row["line"] for row in shown) + "]")
    more = encode_cursor(shown[-1]["at"], shown[-1]["id"]) if len(found) > page.limit else None
    total = await tx.fetchval(_TOTAL, user_id) if page.with_total else None
    return LedgerPage(rows, total, more)
