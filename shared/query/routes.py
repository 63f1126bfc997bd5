"""Queries over HTTP: `POST /<kind>/query`, and the same as parameters of a list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.database import Connection
from shared.errors import InvalidData
from shared.http import Answer, Call, Page, Raw, Route, operation
from shared.http.operation import HandlerOfCalls
from shared.http.paging import PAGING
from shared.query import cursors
from shared.query.asking import Asked, Filter
from shared.query.declaration import Kind
from shared.query.schemas import body_schema, parameters, partly
from shared.query.searching import resolved
from shared.query.statement import Planned, plan

INVALID = "Invalid query"
ASKING = frozenset({"sort", "fields_"})
ASKING_OR_PAGING = ASKING | PAGING


def query_route(path: str, kind: Kind, *, permission: str, tag: str) -> Route:
    """`POST /<path>/query` for who may see the list; to stand before other routes below the path."""
    return Route("POST", f"/{path}/query", _handler(path, kind, permission, tag))


def _handler(path: str, kind: Kind, permission: str, tag: str) -> HandlerOfCalls:
    @operation(
        summary=f"Query {path}",
        description="A read; `Idempotency-Key` is ignored. Filters and sorts that no index serves together are 400.",
        permission=permission,
        body=body_schema(kind, type(kind.answer).__name__),
        answers={200: partly(kind.answer)},
        many=True,
        invalid=INVALID,
        tag=tag,
        idempotent=False,
        during_maintenance=True,
    )
    async def query(call: Call) -> Answer:
        body = call.body
        given = (body["filter"],) if "filter" in body else ()
        return await answer(call, kind, Asked(given, body.get("sort"), body.get("fields_"), Page.of(body)))

    query.__name__ = f"query_{path.replace('-', '_')}"
    return query


def asked_in(kind: Kind, query: Mapping[str, Any], own: Filter | None = None, *, paged: bool = False) -> Asked | None:
    """What the loaded parameters of a list ask for, with the list's `own` filters.

    None without a filter, sort keys or fields; `paged`: a page alone is asking, too.
    """
    known = parameters(kind)
    names = ASKING_OR_PAGING if paged else ASKING
    if names.isdisjoint(query) and known.keys().isdisjoint(query):
        return None
    given = tuple(
        {field: {operator: query[parameter]}} for parameter, (field, operator) in known.items() if parameter in query
    )
    filters = (*given, own) if own else given
    return Asked(filters, query.get("sort"), query.get("fields_"), Page.of(query))


async def answer(call: Call, kind: Kind, asked: Asked) -> Answer:
    """200 with a page of what is asked for. Raises `InvalidData` for what no index serves."""
    message, now = call.operation.invalid, call.context.clock()
    is_list = call.request.method == "GET"
    try:
        async with call.read() as tx:
            planned = plan(kind, await resolved(tx, kind, asked, message), now, message)
            documents, total, next_cursor = await _page(tx, planned, asked.page.limit)
    except InvalidData as refusal:
        raise InvalidData(message, fields=as_parameters(refusal.fields) if is_list else refusal.fields) from None
    meta: dict[str, Any] = {"limit": asked.page.limit, "offset": asked.page.offset}
    if total is not None:
        meta["total"] = total
    if next_cursor is not None:
        meta["next_cursor"] = next_cursor
    headers = {"Link": asked.page.links(call.request.rel_url, next_cursor)} if is_list else {}
    return Answer(200, documents, meta, headers=headers)


def as_parameters(fields: Mapping[str, str]) -> dict[str, str]:
    """What is wrong, by the names that a query string has for it."""
    return {_as_parameter(name): text for name, text in fields.items()}


def _as_parameter(name: str) -> str:
    first, *inner = name.split(".")
    return first + "".join(f"[{part}]" for part in inner)


async def _page(tx: Connection, planned: Planned, limit: int) -> tuple[Raw, int | None, str | None]:
    rows = await tx.fetch(planned.page.text, *planned.page.values)
    total = None if planned.total is None else await tx.fetchval(planned.total.text, *planned.total.values)
    shown = rows[:limit]
    following = cursors.encode(planned.order, tuple(shown[-1])[1:]) if len(rows) > limit else None
    return Raw("[" + ",".join(row["document"] for row in shown) + "]"), total, following
