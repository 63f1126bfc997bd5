"""What scopes there are, and what the caller's credential is."""

from __future__ import annotations

from services.auth.queries import credentials as queries
from services.auth.schemas import PAGE_QUERY
from services.auth.schemas import credentials as schemas
from shared.errors import InvalidToken
from shared.http import Answer, Call, listed_few, ok, operation
from shared.identity import AUTHENTICATED, Role
from shared.identity.roles import TABLE

SCOPES = [
    {
        "scope": name,
        "description": permission.description,
        "roles": [role.name.lower() for role in Role if role in permission.roles],
    }
    for name, permission in sorted(TABLE.items())
]


@operation(
    summary="All scopes, what each opens, and the roles that hold it",
    description="The whole list, unless a page is asked for.",
    permission=AUTHENTICATED,
    query=PAGE_QUERY,
    answers={200: schemas.SCOPE},
    invalid="Invalid query",
    tag="Scopes",
    tenant=False,
    many=True,
)
async def list_scopes(call: Call) -> Answer:
    return listed_few(call, SCOPES, "scope")


@operation(
    summary="What this credential is: whose, for which organisation, with which scopes, until when",
    permission=AUTHENTICATED,
    answers={200: schemas.CALLER},
    tag="Scopes",
    tenant=False,
)
async def show_caller(call: Call) -> Answer:
    call.org_id = call.principal.org_id
    async with call.read() as tx:
        caller = await queries.caller(tx, call.principal)
    if caller is None:
        raise InvalidToken
    return ok(caller)
