"""One function a command, each inside a transaction of the caller's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.moderation import domain, store
from services.moderation.domain import Case, Decision, UnknownMark, UnknownRecognition
from services.moderation.store import Entry
from shared import outbox
from shared.contracts import moderation as events
from shared.contracts.event import Event
from shared.database import Connection
from shared.errors import Unprocessable
from shared.identity import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    recognition_id: int
    mark_as: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    recognition_id: int
    is_inappropriate: bool
    comment: str | None


async def report_recognition(tx: Connection, reporter: Principal, report: Report) -> Entry:
    """Raises `UnknownMark` or `UnknownRecognition`.

    Raises `Unprocessable` for a second report or a report of what oneself gave.
    """
    if report.mark_as not in (*domain.MARKS, *await store.report_reasons(tx)):
        raise UnknownMark
    recognition = await store.lock_recognition(tx, report.recognition_id)
    if recognition is None:
        raise UnknownRecognition("Invalid report data")
    case = await store.lock_case(tx, recognition.id)
    sees_hidden = reporter.may("review:recognition")
    domain.check_report(recognition, case, reporter=reporter.user_id, sees_hidden=sees_hidden)
    entry = await store.add_report(tx, case, reporter.user_id, report.mark_as, report.reason)
    if entry is None:
        raise Unprocessable("You have reported this recognition already")
    await store.open_case(tx, case, domain.state_after_report(case.state))
    await outbox.append(tx, _reported(entry, reporter, report))
    return entry


def _reported(entry: Entry, reporter: Principal, report: Report) -> Event:
    return events.RecognitionReported(
        report_id=entry.id,
        recognition_id=report.recognition_id,
        reported_by=reporter.user_id,
        mark_as=report.mark_as,
        reason=report.reason,
        reported_at=_seconds(entry.at),
    )


async def review_recognition(tx: Connection, reviewer: Principal, review: Review) -> Entry:
    """Raises `UnknownRecognition`, or `AccessDenied` for who gave or received it."""
    recognition = await store.lock_recognition(tx, review.recognition_id)
    if recognition is None:
        raise UnknownRecognition("Invalid review data")
    domain.check_review(recognition, reviewer=reviewer.user_id)
    case = await store.lock_case(tx, recognition.id)
    decision = domain.decide(case, is_inappropriate=review.is_inappropriate)
    entry = await store.add_review(
        tx, case, reviewer.user_id, decision, is_inappropriate=review.is_inappropriate, comment=review.comment
    )
    await store.close_case(tx, case, decision)
    if decision.change is not None:
        await outbox.append(tx, _reviewed(case, decision, entry, reviewer))
    return entry


def _reviewed(case: Case, decision: Decision, entry: Entry, reviewer: Principal) -> Event:
    kind = events.RecognitionHidden if decision.change == "hidden" else events.RecognitionRestored
    return kind(
        recognition_id=case.recognition_id,
        review_id=entry.id,
        reviewed_by=reviewer.user_id,
        reviewed_at=_seconds(entry.at),
        version=decision.visibility_version,
    )


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
