"""The SQL that commands use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, cast

from services.moderation.domain import Case, Decision, Recognition, State
from shared.contracts.recognition import RecognitionGiven
from shared.database import Connection


class Entry(NamedTuple):
    """A report or a review as it was written down."""

    id: int
    at: datetime


async def lock_recognition(tx: Connection, recognition_id: int) -> Recognition | None:
    """Holds off its deletion until this transaction ends."""
    row = await tx.fetchrow(
        "SELECT id, given_by, given_for FROM recognitions"
        " WHERE org_id = tenant() AND id = $1 AND NOT deleted FOR SHARE",
        recognition_id,
    )
    return None if row is None else Recognition(row["id"], row["given_by"], row["given_for"])


async def lock_case(tx: Connection, recognition_id: int) -> Case:
    """The case about a recognition, made when there was none, and ours alone until this transaction ends."""
    await tx.execute("INSERT INTO cases (recognition_id) VALUES ($1) ON CONFLICT DO NOTHING", recognition_id)
    row = await tx.fetchrow(
        "SELECT state, visibility_version FROM cases WHERE org_id = tenant() AND recognition_id = $1 FOR UPDATE",
        recognition_id,
    )
    if row is None:
        raise LookupError(f"case {recognition_id} went away, though nothing deletes cases")
    return Case(recognition_id, cast(State, row["state"]), row["visibility_version"])


_KEEP_REASONS = """
INSERT INTO report_reasons AS known (items, version) VALUES ($1, $2)
ON CONFLICT (org_id) DO UPDATE SET items = excluded.items, version = excluded.version
WHERE known.version < excluded.version
"""


async def keep_report_reasons(tx: Connection, reasons: Sequence[str], version: int) -> None:
    """Takes the newer list of what the organisation adds to the reasons for a report."""
    await tx.execute(_KEEP_REASONS, list(reasons), version)


async def report_reasons(tx: Connection) -> list[str]:
    """What the organisation adds to the reasons for a report."""
    found: list[str] | None = await tx.fetchval("SELECT items FROM report_reasons WHERE org_id = tenant()")
    return found or []


async def add_report(tx: Connection, case: Case, reporter: int, mark_as: str, reason: str) -> Entry | None:
    """None when this person has reported this recognition before."""
    row = await tx.fetchrow(
        "INSERT INTO reports (recognition_id, reported_by, mark_as, reason) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (org_id, recognition_id, reported_by) DO NOTHING RETURNING id, reported_at",
        case.recognition_id,
        reporter,
        mark_as,
        reason,
    )
    return None if row is None else Entry(row["id"], row["reported_at"])


async def open_case(tx: Connection, case: Case, state: State) -> None:
    """Counts a report in; a case that was closed waits from now on."""
    await tx.execute(
        "UPDATE cases SET version = version + 1, state = $2,"
        " opened_at = CASE WHEN state <> 'open' AND $2 = 'open' THEN clock_timestamp() ELSE opened_at END,"
        " decided_at = CASE WHEN $2 = 'open' THEN NULL ELSE decided_at END"
        " WHERE org_id = tenant() AND recognition_id = $1",
        case.recognition_id,
        state,
    )


async def add_review(
    tx: Connection, case: Case, reviewer: int, decision: Decision, *, is_inappropriate: bool, comment: str | None
) -> Entry:
    row = await tx.fetchrow(
        "INSERT INTO reviews (recognition_id, reviewed_by, is_inappropriate, comment, visibility_version)"
        " VALUES ($1, $2, $3, $4, $5) RETURNING id, reviewed_at",
        case.recognition_id,
        reviewer,
        is_inappropriate,
        comment,
        None if decision.change is None else decision.visibility_version,
    )
    if row is None:
        raise LookupError(f"the review of {case.recognition_id} was not written down")
    return Entry(row["id"], row["reviewed_at"])


async def close_case(tx: Connection, case: Case, decision: Decision) -> None:
    await tx.execute(
        "UPDATE cases SET version = version + 1, state = $2, decided_at = clock_timestamp(), visibility_version = $3"
        " WHERE org_id = tenant() AND recognition_id = $1",
        case.recognition_id,
        decision.state,
        decision.visibility_version,
    )


async def withdraw_case(tx: Connection, recognition_id: int) -> None:
    await tx.execute(
        "UPDATE cases SET version = version + 1, withdrawn = true"
        " WHERE org_id = tenant() AND recognition_id = $1 AND NOT withdrawn",
        recognition_id,
    )


async def add_recognition(tx: Connection, given: RecognitionGiven) -> None:
    await tx.execute(
        "INSERT INTO recognitions (id, given_by, given_for, core_value_id, text, text_version, given_at, version)"
        " VALUES ($1, $2, $3, $4, $5, $7, to_timestamp($6::bigint), $7) ON CONFLICT (org_id, id) DO NOTHING",
        given.recognition_id,
        given.given_by,
        given.given_for,
        given.core_value_id,
        given.text,
        given.given_at,
        given.version,
    )


async def change_text(tx: Connection, recognition_id: int, text: str, version: int) -> bool:
    """Keeps the newest text; false for a recognition that is not known yet."""
    status = await tx.execute(
        "UPDATE recognitions SET version = greatest(version, $3), text_version = greatest(text_version, $3),"
        " text = CASE WHEN text_version < $3 THEN $2 ELSE text END WHERE org_id = tenant() AND id = $1",
        recognition_id,
        text,
        version,
    )
    return status == "UPDATE 1"


async def delete_recognition(tx: Connection, recognition_id: int, version: int) -> bool:
    """Marks it as taken back; false for a recognition that is not known yet."""
    status = await tx.execute(
        "UPDATE recognitions SET version = greatest(version, $2), deleted = true WHERE org_id = tenant() AND id = $1",
        recognition_id,
        version,
    )
    return status == "UPDATE 1"
