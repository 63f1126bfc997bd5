"""Requests to commands and queries, and back."""

from __future__ import annotations

from typing import Any

import orjson

from services.moderation import commands, queries, schemas
from services.moderation.domain import STATES, UnknownMark, UnknownRecognition
from shared.database import Connection
from shared.errors import NotFound, Unprocessable
from shared.http import Answer, Call, created, listed, ok, operation, tagged


@operation(
    summary="Report a recognition to the moderators",
    permission="report:recognition",
    body=schemas.GIVE_REPORT,
    answers={201: schemas.REPORT},
    refuses=(Unprocessable,),
    invalid="Invalid report data",
    resource="Recognition",
    tag="Moderation",
)
async def report_recognition(call: Call) -> Answer:
    report = commands.Report(recognition_id=call.path["id"], **call.body)

    async def effect(tx: Connection) -> Answer:
        entry = await commands.report_recognition(tx, call.principal, report)
        return created(
            {
                "id": entry.id,
                "recognition_id": report.recognition_id,
                "mark_as": report.mark_as,
                "reason": report.reason,
                "reported_by": call.principal.user_id,
                "reported_at": int(entry.at.timestamp()),
            }
        )

    return await call.once_known(lambda: call.write(effect), UnknownMark, UnknownRecognition)


@operation(
    summary="Decide whether a recognition is inappropriate",
    description="`true` hides it everywhere, `false` shows it again. Repeatable; the newest review stands.",
    permission="review:recognition",
    body=schemas.GIVE_REVIEW,
    answers={201: schemas.REVIEW},
    invalid="Invalid review data",
    resource="Recognition",
    tag="Moderation",
)
async def review_recognition(call: Call) -> Answer:
    review = commands.Review(recognition_id=call.path["id"], **call.body)

    async def effect(tx: Connection) -> Answer:
        entry = await commands.review_recognition(tx, call.principal, review)
        return created(
            {
                "id": entry.id,
                "recognition_id": review.recognition_id,
                "is_inappropriate": review.is_inappropriate,
                "comment": review.comment,
                "reviewed_by": call.principal.user_id,
                "reviewed_at": int(entry.at.timestamp()),
            }
        )

    return await call.once_known(lambda: call.write(effect), UnknownRecognition)


@operation(
    summary="List moderation cases",
    description="Open cases first, the longest waiting at the top; then the others, the newest decision at the top."
    " Cases about recognitions that were taken back are left out.",
    permission="review:recognition",
    query=schemas.CASE_QUERY,
    answers={200: schemas.CASE},
    many=True,
    invalid="Invalid query",
    resource="Case",
    tag="Moderation",
)
async def list_cases(call: Call) -> Answer:
    async with call.read() as tx:
        page = await queries.cases(tx, sorted(set(call.query.get("status", STATES))), call.page)
    answer = listed(call, page.rows, total=page.total, next_cursor=page.next_cursor)
    return tagged(answer, [_without_age(one) for one in orjson.loads(page.rows.bytes)])


@operation(
    summary="Show the case about a recognition",
    permission="review:recognition",
    answers={200: schemas.CASE},
    invalid="Invalid query",
    resource="Case",
    tag="Moderation",
)
async def show_case(call: Call) -> Answer:
    async with call.read() as tx:
        case = await queries.case(tx, call.path["recognition_id"])
    if case is None:
        raise NotFound(call.operation.resource)
    return tagged(ok(case.document, version=case.version), _without_age(orjson.loads(case.document.bytes)))


def _without_age(document: dict[str, Any]) -> dict[str, Any]:
    """A case as it stays while nobody touches it."""
    return {name: value for name, value in document.items() if name != "age"}
