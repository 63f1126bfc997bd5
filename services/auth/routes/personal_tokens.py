"""One's own personal tokens."""

from __future__ import annotations

from datetime import datetime

from services.auth.commands import personal_tokens as commands
from services.auth.commands.endings import Ending
from services.auth.commands.issuing import end_for
from services.auth.queries import credentials as queries
from services.auth.routes.answering import write_and_tell
from services.auth.schemas import PAGE_QUERY
from services.auth.schemas import credentials as schemas
from services.auth.store.personal_tokens import NewToken
from services.auth.tokens import Signer
from shared.database import Connection
from shared.errors import Conflict, NotFound, Unavailable
from shared.http import Answer, Call, created, listed, no_content, operation

INVALID = "Invalid personal token data"
TAG = "Personal tokens"


@operation(
    summary="Make a personal token",
    description="It does what I may, or a part of it, until it ends, is deleted, or my password or role changes.",
    permission="manage:token",
    body=schemas.MAKE_PERSONAL_TOKEN,
    answers={201: schemas.NEW_PERSONAL_TOKEN},
    refuses=(Conflict,),
    invalid=INVALID,
    tag=TAG,
    tenant=False,
)
async def make_personal_token(call: Call) -> Answer:
    call.org_id = call.principal.org_id
    now = call.context.clock()
    new = _wanted(call, now)

    async def effect(tx: Connection) -> Answer:
        token_id, token = await commands.make_token(tx, call.context.get(Signer), call.principal, new, now)
        document = await queries.token_document(tx, token_id)
        return created(document | {"token": token}, secrets=frozenset({"token"}))

    return await call.write(effect)


def _wanted(call: Call, now: datetime) -> NewToken:
    me = call.principal
    expires_at = end_for(me, call.body["expires_at"], now, INVALID)
    scopes = frozenset(call.body.get("scopes", me.permissions))
    return NewToken(call.body["name"], scopes, expires_at, me.client_id)


@operation(
    summary="My personal tokens, by id",
    description="Those that are accepted: what has ended is not listed.",
    permission="manage:token",
    query=PAGE_QUERY,
    answers={200: schemas.PERSONAL_TOKEN},
    invalid=INVALID,
    tag=TAG,
    tenant=False,
    many=True,
)
async def list_personal_tokens(call: Call) -> Answer:
    call.org_id = call.principal.org_id
    async with call.read() as tx:
        found = await queries.list_tokens(tx, call.principal.user_id, call.page, call.context.clock())
    return listed(call, found.json, total=found.total, next_cursor=found.next_cursor)


@operation(
    summary="End a personal token of mine, and what was made with it",
    permission="manage:token",
    answers={204: None},
    refuses=(NotFound, Unavailable),
    invalid=INVALID,
    resource="Personal token",
    tag=TAG,
    tenant=False,
)
async def delete_personal_token(call: Call) -> Answer:
    call.org_id = call.principal.org_id

    async def effect(tx: Connection, ending: Ending) -> Answer:
        await commands.delete_token(tx, call.principal.user_id, call.path["id"], call.context.clock(), ending)
        return no_content()

    return await write_and_tell(call, effect)
