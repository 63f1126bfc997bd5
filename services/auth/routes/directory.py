"""Who works here, and how to reach them: basic data, for every member."""

from __future__ import annotations

from services.auth.queries import directory as queries
from services.auth.schemas.directory import DIRECTORY_ENTRY, DIRECTORY_QUERY
from shared.http import Answer, Call, listed, operation


@operation(
    summary="The people of the organisation: login name, e-mail, phone, names and department, nothing else",
    permission="view:user",
    query=DIRECTORY_QUERY,
    answers={200: DIRECTORY_ENTRY},
    invalid="Invalid directory query",
    tag="Directory",
    many=True,
)
async def list_directory(call: Call) -> Answer:
    async with call.read() as tx:
        rows = await queries.list_entries(tx, call.query, call.page)
    return listed(call, rows.json, total=rows.total, next_cursor=rows.next_cursor)
