"""All recognitions that a query selects, as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

from aiohttp import hdrs

from services.recognition.exporting import Exports, csv_lines, json_lines
from services.recognition.kinds.recognitions import RECOGNITIONS
from services.recognition.routes.querying import own_filters
from services.recognition.schemas import exports as schemas
from shared.errors import InvalidData, RateLimited
from shared.http import Answer, Call, Route, operation
from shared.http.operation import HandlerOfCalls
from shared.http.paging import Page
from shared.http.streaming import Stream
from shared.query import Asked, asked_in
from shared.query.walking import Walk, pages, walk_of
from shared.rate_limit import EXPORTS

INVALID = "Invalid query"
SECONDS = 300.0
PAGE = 500
UNKNOWN = f"Unknown. Possible: {', '.join(sorted(schemas.PARAMETERS))}."
Write = Callable[[Sequence[str], bool], bytes]


def _export(ending: str, media_type: str, described: str, write: Write) -> HandlerOfCalls:
    @operation(
        summary=f"Export recognitions as {ending.upper()}",
        description=f"All that the filters select. {described}",
        permission="export:recognition",
        query=schemas.EXPORT_QUERY,
        answers={200: None},
        refuses=(RateLimited,),
        enveloped=False,
        media_type=media_type,
        invalid=INVALID,
        tag="Exports",
        limit=EXPORTS,
        conditional=False,
        stream_seconds=SECONDS,
    )
    async def export(call: Call) -> Answer:
        walk = await walk_of(call, RECOGNITIONS, _asked(call))
        if call.request.method != hdrs.METH_HEAD:
            call.count_as_dear()
        headers = {"Content-Disposition": f'attachment; filename="recognitions.{ending}"', "Cache-Control": "no-store"}
        body = Stream(_written(call, walk, write), None, SECONDS)
        return Answer(200, body, headers=headers, enveloped=False, content_type=f"{media_type}; charset=utf-8")

    export.__name__ = f"export_recognitions_as_{ending}"
    return export


def _asked(call: Call) -> Asked:
    """What the parameters select. Raises `InvalidData` for those that are not known: they would select nothing less."""
    unknown = set(call.request.query) - schemas.PARAMETERS
    if unknown:
        raise InvalidData(INVALID, fields=dict.fromkeys(sorted(unknown), UNKNOWN))
    page = Page(limit=PAGE, offset=0, cursor=None, with_total=False)
    own = own_filters(call)
    asked = asked_in(RECOGNITIONS, call.query, own) or Asked((own,), None, None, page)
    return replace(asked, page=page)


async def _written(call: Call, walk: Walk, write: Write) -> AsyncGenerator[bytes, None]:
    with call.context.get(Exports).places.take(call.org_id):
        first = True
        async for documents in pages(call, RECOGNITIONS, walk):
            written = write(documents, first)
            first = False
            if written:
                yield written


ROUTES = (
    Route(
        "GET",
        "/exports/recognitions.csv",
        _export("csv", "text/csv", "Texts that a spreadsheet would take for formulas get an apostrophe.", csv_lines),
    ),
    Route(
        "GET",
        "/exports/recognitions.ndjson",
        _export("ndjson", "application/x-ndjson", "One recognition a line.", json_lines),
    ),
)
