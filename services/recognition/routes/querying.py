"""Queries of recognitions and of core values."""

from __future__ import annotations

from services.recognition.kinds.core_values import CORE_VALUES
from services.recognition.kinds.recognitions import RECOGNITIONS
from services.recognition.schemas import core_values as value_schemas
from services.recognition.schemas import recognitions as schemas
from shared.errors import InvalidData
from shared.http import Answer, Call, Route
from shared.query import answer, asked_in, in_query_string, partly, query_route
from shared.query.asking import Filter

ROUTES: tuple[Route, ...] = (
    query_route("recognitions", RECOGNITIONS, permission="view:recognition", tag="Recognitions"),
    query_route("core_values", CORE_VALUES, permission="view:core_value", tag="Core values"),
)
FEED_QUERY = in_query_string(RECOGNITIONS, schemas.FeedQuery)
CORE_VALUE_QUERY = in_query_string(CORE_VALUES, value_schemas.CoreValueQuery)
LISTED_RECOGNITION = partly(schemas.RECOGNITION)
LISTED_CORE_VALUE = partly(value_schemas.LISTED_CORE_VALUE)
APART = "Does not go with filter, sort and fields."
_OWN = ("given_by", "given_for", "core_value_id")


def own_filters(call: Call) -> Filter:
    """The feed's own parameters as filters of a query."""
    return {name: {"in": call.query[name]} for name in _OWN if name in call.query}


async def recognitions(call: Call) -> Answer | None:
    """The answer where the query string has a filter, sort keys or fields. Raises `InvalidData`."""
    asked = asked_in(RECOGNITIONS, call.query, own_filters(call))
    if asked is None:
        return None
    _refuse(call.query["status"] == "hidden", "status", call)
    return await answer(call, RECOGNITIONS, asked)


async def core_values(call: Call) -> Answer | None:
    """The same for core values, and for a page of them."""
    asked = asked_in(CORE_VALUES, call.query, paged=True)
    if asked is None:
        return None
    _refuse(call.query["tree"], "tree", call)
    return await answer(call, CORE_VALUES, asked)


def _refuse(wrong: bool, name: str, call: Call) -> None:
    if wrong:
        raise InvalidData(call.operation.invalid, fields={name: APART})
