"""Series of recognitions: a thank-you that recurs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from services.recognition.commands import series as commands
from services.recognition.commands.campaigns import UnknownTeam
from services.recognition.commands.series import BeingGiven, TooManySeries
from services.recognition.domain.recognitions import INVALID_SERIES, UnknownOrganisation, UnknownReceiver
from services.recognition.kinds.series import SERIES
from services.recognition.queries import series as queries
from services.recognition.schemas import series as schemas
from services.recognition.store import series as rows
from services.recognition.store.series import Series, Thanks
from shared.database import Connection
from shared.errors import AccessDenied, InvalidData, NotFound, Unprocessable, VersionMismatch
from shared.http import Answer, Call, Page, PageQuery, Raw, Route, created, listed, no_content, ok, operation
from shared.query import Asked, answer, asked_in, in_query_string, partly, query_route

RESOURCE = "Series"
TAG = "Series"
PATH = "recognition-series"
VIEW = "view:recognition_series"
MOMENTS = ("starts_at", "ends_at")
NOT_KNOWN_YET = (UnknownTeam, UnknownReceiver, UnknownOrganisation)


@operation(
    summary="The organisation's series of recognitions",
    permission=VIEW,
    query=in_query_string(SERIES, PageQuery),
    answers={200: partly(schemas.SERIES)},
    invalid="Invalid query",
    tag=TAG,
    many=True,
)
async def list_series(call: Call) -> Answer:
    asked = asked_in(SERIES, call.query) or Asked((), None, None, Page.of(call.query))
    return await answer(call, SERIES, asked)


@operation(
    summary="One series of recognitions",
    permission=VIEW,
    answers={200: schemas.SERIES},
    refuses=(NotFound,),
    invalid=INVALID_SERIES,
    resource=RESOURCE,
    tag=TAG,
)
async def show_series(call: Call) -> Answer:
    async with call.read() as tx:
        found = await rows.series_document(tx, call.path["id"])
    if found is None:
        raise NotFound(RESOURCE)
    document, version = found
    return ok(Raw(document), version=version)


@operation(
    summary="What became of a series' occurrences, the last one first",
    description="One for each receiver; one without a receiver where an occurrence was missed as a whole. They can be"
    " read when the series has ended, too.",
    permission=VIEW,
    query=schemas.OCCURRENCES_QUERY,
    answers={200: schemas.OCCURRENCE},
    refuses=(NotFound,),
    invalid="Invalid query",
    resource=RESOURCE,
    tag=TAG,
    many=True,
)
async def list_occurrences(call: Call) -> Answer:
    async with call.read() as tx:
        page = await queries.occurrences(tx, call.path["id"], call.page)
    if page is None:
        raise NotFound(RESOURCE)
    return listed(call, page.rows, total=page.total, next_cursor=page.next_cursor)


@operation(
    summary="Begin a series of recognitions that one gives",
    description="Each occurrence is given once, by whoever began the series, and costs what a recognition costs.",
    permission="create:recognition_series",
    body=schemas.WRITE_SERIES,
    answers={201: schemas.SERIES},
    refuses=(TooManySeries, Unprocessable),
    invalid=INVALID_SERIES,
    tag=TAG,
)
async def begin_series(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        made = await commands.begin_series(tx, call.principal, _thanks(call.body), call.context.clock())
        return created(await _document(tx, made), version=made.version)

    return await call.once_known(lambda: call.write(effect), *NOT_KNOWN_YET)


@operation(
    summary="Set what a series says, to whom, and when",
    description="By who began it. What is due from here on follows from the new rule; no day comes twice.",
    permission="update:recognition_series",
    body=schemas.WRITE_SERIES,
    answers={200: schemas.SERIES},
    refuses=(AccessDenied, BeingGiven, Unprocessable, VersionMismatch),
    invalid=INVALID_SERIES,
    resource=RESOURCE,
    tag=TAG,
)
async def put_series(call: Call) -> Answer:
    return await _change(call, InvalidData(INVALID_SERIES, fields={"id": "No such series."}))


@operation(
    summary="Change what is named of a series",
    description="A merge patch (RFC 7396), by who began it: null takes the receiver, the team or the end away.",
    permission="update:recognition_series",
    body=schemas.PATCH_SERIES,
    answers={200: schemas.SERIES},
    refuses=(NotFound, AccessDenied, BeingGiven, Unprocessable, VersionMismatch),
    invalid=INVALID_SERIES,
    resource=RESOURCE,
    tag=TAG,
)
async def patch_series(call: Call) -> Answer:
    return await _change(call, NotFound(RESOURCE))


@operation(
    summary="End a series",
    description="By who began it, or by an admin. Its recognitions stay, and what is told of its occurrences.",
    permission="delete:recognition_series",
    answers={204: None},
    refuses=(NotFound, AccessDenied, VersionMismatch),
    invalid=INVALID_SERIES,
    resource=RESOURCE,
    tag=TAG,
)
async def end_series(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        present = await _locked(tx, call, NotFound(RESOURCE))
        await commands.end_series(tx, present, by=call.principal, check_version=call.check_version)
        return no_content()

    return await call.write(effect)


async def _change(call: Call, unknown: NotFound | InvalidData) -> Answer:
    async def effect(tx: Connection) -> Answer:
        present = await _locked(tx, call, unknown)
        wanted = _thanks(call.body, present.thanks)
        now = call.context.clock()
        changed = await commands.change_series(
            tx, present, wanted, now, by=call.principal, check_version=call.check_version
        )
        return ok(await _document(tx, changed), version=changed.version)

    return await call.once_known(lambda: call.write(effect), *NOT_KNOWN_YET)


def _thanks(body: dict[str, Any], present: Thanks | None = None) -> Thanks:
    """What the body names; what it does not name is as at present."""
    moments = {name: body[name] and datetime.fromtimestamp(body[name], UTC) for name in MOMENTS if name in body}
    named = {**body, **moments}
    return Thanks(**(named if present is None else asdict(present) | named))


async def _locked(tx: Connection, call: Call, unknown: NotFound | InvalidData) -> Series:
    present = await rows.lock_series(tx, call.path["id"])
    if present is None:
        raise unknown
    return present


async def _document(tx: Connection, series: Series) -> Raw:
    found = await rows.series_document(tx, series.id)
    if found is None:
        raise LookupError("a series that was just kept is not there")
    return Raw(found[0])


ROUTES: tuple[Route, ...] = (
    query_route(PATH, SERIES, permission=VIEW, tag=TAG),
    Route("GET", f"/{PATH}", list_series),
    Route("POST", f"/{PATH}", begin_series),
    Route("GET", f"/{PATH}/{{id}}", show_series),
    Route("PUT", f"/{PATH}/{{id}}", put_series),
    Route("PATCH", f"/{PATH}/{{id}}", patch_series),
    Route("DELETE", f"/{PATH}/{{id}}", end_series),
    Route("GET", f"/{PATH}/{{id}}/occurrences", list_occurrences),
)
