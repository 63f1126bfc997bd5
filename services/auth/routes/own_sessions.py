"""One's own sign-ins."""

from __future__ import annotations

from services.auth.commands import sessions as commands
from services.auth.commands.endings import Ending
from services.auth.queries import sessions as queries
from services.auth.routes.answering import write_and_tell
from services.auth.schemas import PAGE_QUERY
from services.auth.schemas import credentials as schemas
from shared.database import Connection
from shared.errors import NotFound, Unavailable
from shared.http import Answer, Call, listed, no_content, operation

INVALID = "Invalid session data"
TAG = "Sessions"


@operation(
    summary="My sessions, by id",
    description="Where I am signed in now: what has ended is not listed.",
    permission="manage:token",
    query=PAGE_QUERY,
    answers={200: schemas.OWN_SESSION},
    invalid=INVALID,
    tag=TAG,
    tenant=False,
    many=True,
)
async def list_own_sessions(call: Call) -> Answer:
    call.org_id = call.principal.org_id
    async with call.read() as tx:
        found = await queries.list_sessions(tx, call.principal, call.page, call.context.clock())
    return listed(call, found.json, total=found.total, next_cursor=found.next_cursor)


@operation(
    summary="End a session of mine",
    permission="manage:token",
    answers={204: None},
    refuses=(NotFound, Unavailable),
    invalid=INVALID,
    resource="Session",
    tag=TAG,
    tenant=False,
)
async def end_own_session(call: Call) -> Answer:
    call.org_id = call.principal.org_id

    async def effect(tx: Connection, ending: Ending) -> Answer:
        await commands.end_session(tx, call.principal.user_id, call.path["id"], ending)
        return no_content()

    return await write_and_tell(call, effect)
