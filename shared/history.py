"""What became of each resource: entries that the database writes with every change, as two routes for each kind.

`record_history` in `shared/migrations` says which columns of a table are kept. Who changes something is named by the
transaction (`Database.transaction`); `by` names somebody else, such as whoever an event speaks of.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import marshmallow as ma

from shared.database import Connection
from shared.errors import NotFound
from shared.http import Answer, Call, Page, PageQuery, Raw, Route, decode_cursor, encode_cursor, listed, operation
from shared.http import fields as wire
from shared.http.operation import HandlerOfCalls
from shared.identity.principal import SYSTEM_ORGANISATION

PERMISSION = "view:history"
TAG = "History"
QUERY = PageQuery()

_BY = "SELECT set_config('app.actor_id', $1, true)"
_OF_ONE = """
SELECT seq, history_document(history)::text AS document FROM history
WHERE org_id = tenant() AND kind = $1 AND resource_id = $2 AND ($3::bigint IS NULL OR seq < $3)
ORDER BY seq DESC OFFSET $4 LIMIT $5
"""
_OF_ALL = """
SELECT seq, history_document(history)::text AS document FROM history
WHERE org_id = tenant() AND kind = $1 AND ($2::bigint IS NULL OR seq < $2)
ORDER BY seq DESC OFFSET $3 LIMIT $4
"""
_COUNT = (
    "SELECT count(*) FROM history WHERE org_id = tenant() AND kind = $1 AND ($2::bigint IS NULL OR resource_id = $2)"
)
_IS_THERE = "SELECT EXISTS (SELECT FROM history WHERE org_id = tenant() AND kind = $1 AND resource_id = $2)"


class ChangeSchema(ma.Schema):
    """One field before and after; a fresh resource had null before, a removed one has null after."""

    field = ma.fields.String(required=True)
    old = ma.fields.Raw(required=True, allow_none=True)
    new = ma.fields.Raw(required=True, allow_none=True)


class EntrySchema(ma.Schema):
    """One change of one resource."""

    seq = wire.Id(required=True, metadata={"description": "Greater for whatever came later."})
    id = wire.Id(required=True, metadata={"description": "The resource."})
    at = ma.fields.Integer(required=True, metadata={"description": "Epoch seconds."})
    actor = wire.Id(required=True, allow_none=True, metadata={"description": "Who did it; null: the platform itself."})
    action = ma.fields.String(
        required=True, metadata={"description": "created, changed, deleted, restored, hidden, or such of a part of it."}
    )
    changes = ma.fields.List(ma.fields.Nested(ChangeSchema), required=True)
    request_id = ma.fields.String(required=True, allow_none=True)


ENTRY = EntrySchema()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of resource with a history: its path is also what its entries are filed under."""

    path: str
    noun: str
    parameter: str = "id"
    as_tenant: Callable[[Call], Awaitable[None]] | None = None
    """Makes the call one of the resource's organisation, where a route's caller may be of another."""
    permission: str = PERMISSION
    of_installation: bool = False
    """No organisation's: the entries are the installation's own."""


async def by(tx: Connection, actor_id: int) -> None:
    """Names who is behind what this transaction changes from here on."""
    await tx.execute(_BY, str(actor_id))


@asynccontextmanager
async def on_behalf_of(tx: Connection, actor_id: int | None) -> AsyncIterator[None]:
    """Names who is behind what is changed within; afterwards, and for None, it is the platform again.

    For handlers of events, whose transaction may go on with another event.
    """
    if actor_id is None:
        yield
        return
    await by(tx, actor_id)
    yield
    await tx.execute(_BY, "")


async def record(tx: Connection, kind: str, resource_id: int, action: str) -> None:
    """An entry for what changes no column that is kept, such as a new secret."""
    await tx.execute(
        "INSERT INTO history (kind, resource_id, action, changes) VALUES ($1, $2, $3, '[]')", kind, resource_id, action
    )


def history_routes(*kinds: Kind) -> tuple[Route, ...]:
    """`/<kind>/historylog` and `/<kind>/{id}/historylog` of each; to stand before other routes below the path."""
    routes: list[Route] = []
    for kind in kinds:
        routes.append(Route("GET", f"/{kind.path}/historylog", _of_all(kind)))
        routes.append(Route("GET", f"/{kind.path}/{{{kind.parameter}}}/historylog", _of_one(kind)))
    return tuple(routes)


def _of_all(kind: Kind) -> HandlerOfCalls:
    @operation(
        summary=f"What became of all {kind.noun}s, newest first",
        permission=kind.permission,
        query=QUERY,
        answers={200: ENTRY},
        many=True,
        invalid="Invalid query",
        tag=TAG,
        tenant=not kind.of_installation,
    )
    async def list_history_of_all(call: Call) -> Answer:
        if kind.of_installation:
            call.org_id = SYSTEM_ORGANISATION
        return await _listed(call, kind, None)

    return _named(list_history_of_all, kind)


def _of_one(kind: Kind) -> HandlerOfCalls:
    @operation(
        summary=f"What became of one {kind.noun}, newest first",
        permission=kind.permission,
        query=QUERY,
        answers={200: ENTRY},
        refuses=(NotFound,),
        many=True,
        invalid="Invalid query",
        resource=kind.noun.capitalize(),
        tag=TAG,
        tenant=kind.as_tenant is None and not kind.of_installation,
    )
    async def list_history_of_one(call: Call) -> Answer:
        if kind.of_installation:
            call.org_id = SYSTEM_ORGANISATION
        if kind.as_tenant is not None:
            await kind.as_tenant(call)
        return await _listed(call, kind, call.path[kind.parameter])

    return _named(list_history_of_one, kind)


def _named(handler: HandlerOfCalls, kind: Kind) -> HandlerOfCalls:
    """Its name is the operation's id in the API document."""
    handler.__name__ += "_" + re.sub(r"\W", "_", kind.path)
    return handler


async def _listed(call: Call, kind: Kind, resource_id: int | None) -> Answer:
    page = call.page
    async with call.read() as tx:
        if resource_id is not None and not await tx.fetchval(_IS_THERE, kind.path, resource_id):
            raise NotFound(kind.noun.capitalize())
        rows = await _rows(tx, kind, resource_id, page)
        total = await tx.fetchval(_COUNT, kind.path, resource_id) if page.with_total else None
    shown = rows[: page.limit]
    following = encode_cursor(shown[-1][0]) if len(rows) > page.limit else None
    return listed(call, Raw("[" + ",".join(row[1] for row in shown) + "]"), total=total, next_cursor=following)


async def _rows(tx: Connection, kind: Kind, resource_id: int | None, page: Page) -> list[tuple[int, str]]:
    before = decode_cursor(page.cursor, 1)[0] if page.cursor else None
    place = (before, page.offset, page.limit + 1)
    if resource_id is None:
        found = await tx.fetch(_OF_ALL, kind.path, *place)
    else:
        found = await tx.fetch(_OF_ONE, kind.path, resource_id, *place)
    return [(row["seq"], row["document"]) for row in found]
