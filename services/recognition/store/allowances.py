"""Policies, adjustments, allowances, and what is spent of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, NamedTuple, cast

import asyncpg
import orjson

from services.recognition.domain.recognitions import AlreadyGiven, NoAllowance, OwnRecognition, UnknownRecognition
from shared.contracts import quota
from shared.contracts.recognition import Allowance
from shared.database import Connection, Database
from shared.errors import IdempotencyKeyReused, InsufficientBalance, InvalidToken, RequestInProgress
from shared.idempotency import Key
from shared.periods import Calendar, Window

_REFUSALS: dict[str, Callable[[], Exception]] = {
    "PE001": UnknownRecognition,
    "PE002": OwnRecognition,
    "PE003": AlreadyGiven,
    "PE004": InsufficientBalance,
    "PE005": NoAllowance,
    "PE006": InvalidToken,
    "PE007": IdempotencyKeyReused,
    "PE008": RequestInProgress,
}
"""What the SQLSTATEs of the spending functions mean."""

_GIVE_HI5 = "SELECT status, answer, replayed FROM give_hi5($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_SPEND = "SELECT allowance_block(spend($1, 'recognition', $2, NULL, $3))::text"
_GAP = """
SELECT
    moment AS now,
    (SELECT calendars FROM policies ORDER BY version DESC LIMIT 1) AS calendars,
    (SELECT max(ends_at) FROM allowances WHERE user_id = $1 AND ends_at <= moment) AS previous_end,
    nearest.starts_at AS next_start
FROM (SELECT clock_timestamp() AS moment) AS clock
LEFT JOIN LATERAL (
    SELECT starts_at FROM allowances WHERE user_id = $1 AND ends_at > moment ORDER BY ends_at LIMIT 1
) AS nearest ON true
"""
_OPEN = """
INSERT INTO allowances (user_id, starts_at, ends_at, granted, policy_version, adjustments_version)
SELECT $1, $2, $3, greatest(target, 0), newest_policy, newest_set FROM entitlement($1, $2, $3)
ON CONFLICT DO NOTHING
"""
_CLOSE = """
UPDATE allowances SET closed_version = $2, closed_at = clock_timestamp(), closed_seq = seq
WHERE user_id = $1 AND ends_at > now() AND closed_version IS NULL
"""
_REOPEN = """
UPDATE allowances SET closed_version = NULL, closed_at = NULL, closed_seq = NULL
WHERE user_id = $1 AND closed_version < $2
"""
_KEEP_SET = """
INSERT INTO adjustment_sets AS known (user_id, version) VALUES ($1, $2)
ON CONFLICT (org_id, user_id) DO UPDATE SET version = excluded.version WHERE known.version < excluded.version
RETURNING true
"""
_KEEP_ADJUSTMENTS = """
INSERT INTO adjustments (user_id, id, at, amount)
SELECT $1, id, to_timestamp(at), amount FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS made (id, at, amount)
"""


class Hi5Request(NamedTuple):
    """One request for a hi5, in the order in which the function takes its parts."""

    org_id: int
    request_id: str
    giver: int
    giver_role: int
    recognition_id: int
    comment: str | None


class Hi5Answer(NamedTuple):
    """The complete body; `replayed` when it was first given to an earlier request with the same key."""

    status: int
    body: bytes
    replayed: bool


class Gap(NamedTuple):
    """What lies around a moment that no allowance of a user covers; `calendars` is None without a policy."""

    now: datetime
    calendars: tuple[Calendar, ...] | None
    previous_end: datetime | None
    next_start: datetime | None

    @property
    def is_covered(self) -> bool:
        """Whether an allowance covers the moment after all."""
        return self.next_start is not None and self.next_start <= self.now


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except asyncpg.PostgresError as error:
        refusal = _REFUSALS.get(cast(Any, error).sqlstate)
        if refusal is None:
            raise
        raise refusal() from None


async def give_hi5(database: Database, request: Hi5Request, key: Key | None) -> Hi5Answer:
    """One call, one transaction. Raises what the SQLSTATEs mean; then nothing has happened."""
    named = (None, None, None, None) if key is None else (key.caller, key.route, key.key, key.body_hash)
    with _refusals():
        async with database.statement() as connection:
            row = cast(asyncpg.Record, await connection.fetchrow(_GIVE_HI5, *request, *named))
    return Hi5Answer(*row)


async def spend_on_recognition(tx: Connection, user_id: int, recognition_id: int, moment: datetime) -> Allowance:
    """Raises `InsufficientBalance`, `NoAllowance` or `InvalidToken`; the transaction is lost then."""
    with _refusals():
        block = await tx.fetchval(_SPEND, user_id, recognition_id, moment)
    return Allowance(**orjson.loads(block))


async def lock_member(tx: Connection, user_id: int) -> bool:
    """Holds off the member's deactivation until this transaction ends; tells whether the member is active."""
    return bool(await tx.fetchval("SELECT active FROM members WHERE user_id = $1 FOR NO KEY UPDATE", user_id))


async def gap(tx: Connection, user_id: int) -> Gap:
    row = cast(asyncpg.Record, await tx.fetchrow(_GAP, user_id))
    calendars = None if row["calendars"] is None else orjson.loads(row["calendars"])
    known = None if calendars is None else tuple(Calendar.of_json(calendar) for calendar in calendars)
    return Gap(row["now"], known, row["previous_end"], row["next_start"])


async def open_allowance(tx: Connection, user_id: int, window: Window) -> None:
    """Changes nothing where another row covers some of the window."""
    await tx.execute(_OPEN, user_id, window.start, window.end)


async def close_allowances(tx: Connection, user_id: int, version: int) -> None:
    await tx.execute(_CLOSE, user_id, version)


async def reopen_allowances(tx: Connection, user_id: int, version: int) -> None:
    await tx.execute(_REOPEN, user_id, version)


async def keep_policy(tx: Connection, version: int, limit: int, calendars: Sequence[quota.Calendar]) -> None:
    """Every version is kept; the newest is in force, whatever order they came in."""
    kept = orjson.dumps([Calendar.of(calendar).json() for calendar in calendars]).decode()
    await tx.execute(
        "INSERT INTO policies (version, hi5_limit, calendars) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        version,
        limit,
        kept,
    )


async def keep_adjustments(tx: Connection, user_id: int, version: int, made: Sequence[quota.Adjustment]) -> None:
    """Replaces the set of a user by a newer one."""
    if not await tx.fetchval(_KEEP_SET, user_id, version):
        return
    await tx.execute("DELETE FROM adjustments WHERE user_id = $1", user_id)
    columns = [one.id for one in made], [one.at for one in made], [one.amount for one in made]
    await tx.execute(_KEEP_ADJUSTMENTS, user_id, *columns)
