"""What scopes there are, and what the caller's credential is."""

from __future__ import annotations

from services.auth.queries import credentials as queries
from services.auth.schemas import credentials as schemas
from shared.errors import InvalidToken
from shared.http import Answer, Call, listed_whole, ok, operation
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
    permission=AUTHENTICATED,
    answers={200: schemas.SCOPE},
    tag="Scopes",
    tenant=False,
    many=True,
)
async def list_scopes(call: Call) -> Answer:
    return listed_whole(call, SCOPES, len(SCOPES))


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
