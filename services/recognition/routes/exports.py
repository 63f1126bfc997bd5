"""All recognitions that a query selects, as a stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace

from services.recognition.exporting import Exports, csv_lines, json_lines
from services.recognition.kinds.recognitions import RECOGNITIONS
from services.recognition.schemas import exports as schemas
from shared.errors import RateLimited
from shared.http import Answer, Call, Route, operation
from shared.http.operation import HandlerOfCalls
from shared.http.paging import Page
from shared.http.streaming import Stream
from shared.query import Asked, asked_in
from shared.query.walking import pages
from shared.rate_limit import EXPORTS

INVALID = "Invalid query"
SECONDS = 300.0
PAGE = 500
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
    )
    async def export(call: Call) -> Answer:
        asked = asked_in(RECOGNITIONS, call.query) or Asked((), None, None, Page.of({}))
        asked = replace(asked, page=Page(limit=PAGE, offset=0, cursor=None, with_total=False))
        headers = {"Content-Disposition": f'attachment; filename="recognitions.{ending}"', "Cache-Control": "no-store"}
        body = Stream(_written(call, asked, write), None, SECONDS)
        return Answer(200, body, headers=headers, enveloped=False, content_type=f"{media_type}; charset=utf-8")

    export.__name__ = f"export_recognitions_as_{ending}"
    return export


async def _written(call: Call, asked: Asked, write: Write) -> AsyncGenerator[bytes, None]:
    with call.context.get(Exports).places.take(call.org_id):
        first = True
        async for documents in pages(call, RECOGNITIONS, asked):
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
