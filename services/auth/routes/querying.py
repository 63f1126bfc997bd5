"""Queries of people."""

from __future__ import annotations

from services.auth import schemas
from services.auth.queries.kinds import USERS
from shared.errors import InvalidData
from shared.http import Answer, Call, Route
from shared.query import answer, asked_in, in_query_string, partly, query_route

ROUTES: tuple[Route, ...] = (query_route("users", USERS, permission="view:user", tag="Users"),)
USER_QUERY = in_query_string(USERS, schemas.UserQuery)
LISTED_USER = partly(schemas.USER)
_APART = ("starts_with", "include_deleted")


async def users(call: Call) -> Answer | None:
    """The answer where the query string has a filter, sort keys or fields. Raises `InvalidData`."""
    own = {"role_id": {"eq": call.query["role_id"]}} if "role_id" in call.query else {}
    asked = asked_in(USERS, call.query, own)
    if asked is None:
        return None
    wrong = {name: "Does not go with filter, sort and fields." for name in _APART if call.query.get(name)}
    if wrong:
        raise InvalidData(call.operation.invalid, fields=wrong)
    return await answer(call, USERS, asked)
