"""The SQL that commands use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from services.quota.domain import Adjustment, Book, Entry, Policy, Settings, Totals
from shared.contracts import quota as events
from shared.contracts.recognition import Allowance
from shared.database import Connection
from shared.periods import Calendar, Window

_KNOWN = """
SELECT
    (SELECT to_jsonb(book) || jsonb_build_object(
        'starts_at', epoch_seconds(lower(period)), 'ends_at', epoch_seconds(upper(period))
    ) FROM allowance_books AS book WHERE org_id = tenant() AND allowance_id = $1 AND user_id = $2)::text AS book,
    EXISTS (
        SELECT FROM allowance_books
        WHERE org_id = tenant() AND user_id = $2 AND allowance_id <> $1 AND epoch > $5
            AND period && tstzrange(to_timestamp($3::bigint), to_timestamp($4::bigint))
    ) AS outlived,
    ARRAY (
        SELECT allowance_id FROM allowance_books
        WHERE org_id = tenant() AND user_id = $2 AND allowance_id <> $1 AND epoch < $5
            AND period && tstzrange(to_timestamp($3::bigint), to_timestamp($4::bigint)) AND NOT outlived
        ORDER BY allowance_id
    ) AS outlives,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(id, amount) ORDER BY id), '[]') FROM adjustments
    WHERE org_id = tenant() AND user_id = $2 AND at >= to_timestamp($3) AND at < to_timestamp($4) AND id <= $6
        AND NOT EXISTS (SELECT FROM entries WHERE org_id = tenant() AND entries.id = adjustments.id))::text AS unposted
"""

_BOOK = """
SELECT FROM book_event($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
"""

_BOOK_AND_TELL = """
SELECT book_and_tell($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
"""

_RETIRE_BOOK = """
UPDATE allowance_books AS book SET granted = 0, spent_total = 0, refunded_total = 0, epoch = $3, outlived = true
FROM (
    SELECT * FROM allowance_books WHERE org_id = tenant() AND allowance_id = $1 AND user_id = $2 FOR UPDATE
) AS before
WHERE book.org_id = tenant() AND book.allowance_id = $1 AND book.user_id = $2
RETURNING book.seq, before.granted, before.spent_total, before.refunded_total
"""

_NEIGHBOURS = """
SELECT max(upper(period)) FILTER (WHERE upper(period) <= $2) AS previous_end,
    min(lower(period)) FILTER (WHERE lower(period) > $2) AS next_start
FROM allowance_books WHERE org_id = tenant() AND user_id = $1 AND NOT outlived
"""

_RUNNING = """
SELECT lower(period) AS starts, upper(period) AS ends, spent_total - refunded_total AS net
FROM allowance_books
WHERE org_id = tenant() AND user_id = $1 AND NOT outlived AND lower(period) <= $2 AND upper(period) > $2
ORDER BY lower(period) DESC LIMIT 1
"""

_ADJUST = """
INSERT INTO adjustments (id, user_id, amount, reason, made_by, at, balance_after, event_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

_ADJUSTMENTS_SINCE = """
SELECT id, epoch_seconds(at) AS at, amount FROM adjustments
WHERE org_id = tenant() AND user_id = $1 AND at >= $2 ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger says about an allowance, and the adjustments that its event is the first to include."""

    book: Book | None
    outlived: bool
    outlives: Sequence[int]
    unposted: Sequence[Adjustment]


class Retired(NamedTuple):
    """An allowance that recognition lost, with what its book held."""

    allowance_id: int
    user_id: int
    seq: int
    totals: Totals


class Cause(NamedTuple):
    """What an event's entries have in common: the event, what it is about, and when it happened."""

    event_id: UUID
    recognition_id: int
    at: int


class Running(NamedTuple):
    """A person's window at a moment, and what of it is spent."""

    window: Window
    net: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAdjustment:
    id: int
    user_id: int
    amount: int
    reason: str
    made_by: int
    at: datetime
    balance_after: int


async def add_settings(tx: Connection, settings: Settings) -> bool:
    """Keeps one version of the settings; tells whether it was new."""
    added = await tx.fetchval(
        "INSERT INTO organisation_settings (version, hi5_limit, frequency, timezone, changed_at)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING true",
        settings.version,
        settings.hi5_limit,
        settings.frequency,
        settings.timezone,
        settings.changed_at,
    )
    return bool(added)


async def settings_history(tx: Connection) -> list[Settings]:
    rows = await tx.fetch(
        "SELECT version, hi5_limit, frequency, timezone, changed_at FROM organisation_settings WHERE org_id = tenant()"
    )
    return [Settings(**row) for row in rows]


async def add_policy(tx: Connection, policy: Policy) -> None:
    await tx.execute(
        "INSERT INTO policies (version, hi5_limit, calendars) VALUES ($1, $2, $3)",
        policy.version,
        policy.hi5_limit,
        orjson.dumps([calendar.json() for calendar in policy.calendars]).decode(),
    )


async def policy(tx: Connection) -> Policy | None:
    """The policy in force."""
    row = await tx.fetchrow(
        "SELECT version, hi5_limit, calendars::text FROM policies WHERE org_id = tenant() ORDER BY version DESC LIMIT 1"
    )
    if row is None:
        return None
    calendars = tuple(Calendar.of_json(value) for value in orjson.loads(row["calendars"]))
    return Policy(row["version"], row["hi5_limit"], calendars)


async def lock_member(tx: Connection, user_id: int) -> bool | None:
    """Makes a person's balance this transaction's alone to change; tells whether they are active, None if unknown."""
    active: bool | None = await tx.fetchval(
        "SELECT active FROM members WHERE org_id = tenant() AND user_id = $1 FOR NO KEY UPDATE", user_id
    )
    return active


async def known(tx: Connection, allowance: Allowance) -> Known:
    row = await tx.fetchrow(
        _KNOWN,
        allowance.id,
        allowance.user_id,
        allowance.starts_at,
        allowance.ends_at,
        allowance.epoch,
        allowance.adjustments_version,
    )
    if row is None:
        raise LookupError("a query without FROM has one row")
    unposted = [Adjustment(*values) for values in orjson.loads(row["unposted"])]
    return Known(_book(row), row["outlived"], row["outlives"], unposted)


def _book(row: asyncpg.Record) -> Book | None:
    if row["book"] is None:
        return None
    book = orjson.loads(row["book"])
    totals = Totals(book["granted"], book["spent_total"], book["refunded_total"])
    return Book(book["seq"], book["epoch"], book["starts_at"], book["ends_at"], totals)


async def book(tx: Connection, cause: Cause, allowance: Allowance, entries: Sequence[Entry]) -> None:
    """Keeps the allowance as its event says it is now, books the entries, and renews the balance."""
    await tx.execute(_BOOK, *_booked(cause, allowance, entries))


async def book_and_tell(tx: Connection, cause: Cause, allowance: Allowance, entries: Sequence[Entry], key: str) -> bool:
    """The same, publishes the balance, and tells whether parked events waited for this one under `key`."""
    return bool(await tx.fetchval(_BOOK_AND_TELL, *_booked(cause, allowance, entries), key))


def _booked(cause: Cause, allowance: Allowance, entries: Sequence[Entry]) -> tuple[Any, ...]:
    return (
        allowance.id,
        allowance.user_id,
        allowance.starts_at,
        allowance.ends_at,
        allowance.seq,
        allowance.granted,
        allowance.spent_total,
        allowance.refunded_total,
        allowance.policy_version,
        allowance.epoch,
        *cause,
        *_columns(entries),
    )


async def retire_book(tx: Connection, allowance_id: int, user_id: int, epoch: int) -> Retired:
    """Empties the book of an allowance that another one has outlived; gives what it held."""
    row = await tx.fetchrow(_RETIRE_BOOK, allowance_id, user_id, epoch)
    if row is None:
        raise LookupError(f"the book of allowance {allowance_id} went away, though nothing deletes books")
    return Retired(allowance_id, user_id, row["seq"], Totals(row["granted"], row["spent_total"], row["refunded_total"]))


async def books_before(tx: Connection, user_id: int, allowance_ids: Sequence[int], epoch: int) -> list[int]:
    """Which of these allowances a person still has books of, from before this epoch."""
    rows = await tx.fetch(
        "SELECT allowance_id FROM allowance_books WHERE org_id = tenant() AND user_id = $1"
        " AND allowance_id = ANY($2::bigint[]) AND epoch < $3 AND NOT outlived ORDER BY allowance_id",
        user_id,
        allowance_ids,
        epoch,
    )
    return [row["allowance_id"] for row in rows]


async def newest_balance(tx: Connection, user_id: int) -> events.Hi5BalanceChanged | None:
    """The balance of the newest period, worked out anew; none for who has never had one."""
    row = await tx.fetchrow(
        "SELECT renewed.net, renewed.adjusted, epoch_seconds(upper(renewed.period)) AS resets_at, renewed.version"
        " FROM balances AS known CROSS JOIN LATERAL renew_balance(known.user_id, NULL) AS renewed"
        " WHERE known.org_id = tenant() AND known.user_id = $1",
        user_id,
    )
    return None if row is None else events.Hi5BalanceChanged(user_id=user_id, **row)


async def post(tx: Connection, cause: Cause, lost: Retired, entries: Sequence[Entry]) -> None:
    """Books entries of an allowance that no longer exists."""
    await tx.execute(
        "SELECT post_entries($1, $2, $3, $4, $5, to_timestamp($6::bigint), $7, $8, $9, $10)",
        lost.allowance_id,
        lost.user_id,
        lost.seq,
        *cause,
        *_columns(entries),
    )


def _columns(entries: Sequence[Entry]) -> tuple[list[str], list[int], list[int], list[int | None]]:
    return (
        [entry.kind for entry in entries],
        [entry.available for entry in entries],
        [entry.spent for entry in entries],
        [entry.line for entry in entries],
    )


async def renew_balance(tx: Connection, user_id: int, running: Window) -> events.Hi5BalanceChanged:
    """Works the balance out anew after an adjustment in the running window."""
    row = await tx.fetchrow(
        "SELECT net, adjusted, epoch_seconds(upper(period)) AS resets_at, version"
        " FROM renew_balance($1, tstzrange($2, $3))",
        user_id,
        running.start,
        running.end,
    )
    if row is None:
        raise LookupError("the function returns one row")
    return events.Hi5BalanceChanged(user_id=user_id, **row)


async def neighbours(tx: Connection, user_id: int, moment: datetime) -> tuple[datetime | None, datetime | None]:
    """Where the person's nearest earlier window ends and the nearest later one starts."""
    row = await tx.fetchrow(_NEIGHBOURS, user_id, moment)
    return (None, None) if row is None else (row["previous_end"], row["next_start"])


async def running(tx: Connection, user_id: int, moment: datetime) -> Running | None:
    """The window and the net spending of the person's allowance that covers a moment."""
    row = await tx.fetchrow(_RUNNING, user_id, moment)
    return None if row is None else Running(Window(row["starts"], row["ends"]), row["net"])


async def adjusted_in(tx: Connection, user_id: int, window: Window) -> int:
    """The sum of the adjustments in a window."""
    total: int = await tx.fetchval("SELECT adjusted_in($1, tstzrange($2, $3))", user_id, window.start, window.end)
    return total


async def next_line(tx: Connection) -> int:
    """A number for an adjustment and its line in the ledger."""
    line: int = await tx.fetchval("SELECT nextval('ledger_lines')")
    return line


async def add_adjustment(tx: Connection, made: NewAdjustment, event_id: UUID) -> None:
    await tx.execute(
        _ADJUST, made.id, made.user_id, made.amount, made.reason, made.made_by, made.at, made.balance_after, event_id
    )


async def adjustments_since(tx: Connection, user_id: int, since: datetime) -> list[events.Adjustment]:
    rows = await tx.fetch(_ADJUSTMENTS_SINCE, user_id, since)
    return [events.Adjustment(**row) for row in rows]
