"""Insights over HTTP: read-only, for pages and programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aiohttp import hdrs

from services.recognition.insights import queries, schemas, searching, times
from services.recognition.insights.answers import FAILURES, told
from services.recognition.insights.queries import ALL_VALUES, Scope
from services.recognition.insights.thermometer import Reading, draw
from shared.database import Connection
from shared.errors import NotFound
from shared.http import Answer, Call, Raw, Route, operation

TAG = "Insights"
PERMISSION = "view:insight"
INVALID = "Invalid query"
SVG = "image/svg+xml"


@operation(
    summary="Who received, gave or was thanked by most",
    description="Ties share a rank. Who left, or does not want to be listed, is not.",
    permission=PERMISSION,
    query=schemas.LEADERBOARD_QUERY,
    answers={200: schemas.LEADERBOARD},
    invalid=INVALID,
    tag=TAG,
    enveloped=False,
    failures=FAILURES,
)
async def show_leaderboard(call: Call) -> Answer:
    async with call.read() as tx:
        scope = await _scope(call, tx)
        if scope is None:
            return told([])
        query = call.query
        return told(await queries.leaderboard(tx, query["metric"], scope, query.get("team_id"), query["limit"]))


async def _scope(call: Call, tx: Connection) -> Scope | None:
    """What a leaderboard is about; None where nothing can be."""
    timezone, now = await queries.timezone(tx), call.context.clock()
    window = times.asked_for(call.query, timezone, now)
    wanted: Sequence[int] = [call.query["core_value_id"]] if "core_value_id" in call.query else ALL_VALUES
    if "campaign_id" not in call.query:
        return Scope(window=window or times.running(times.DEFAULT_PERIOD, timezone, now), values=wanted)
    found = await queries.campaign(tx, call.query["campaign_id"])
    if found is None:
        return None
    both = found.scope.window.within(window or times.ALWAYS)
    values = _common(found.scope.values, wanted)
    return None if both is None or not values else replace(found.scope, window=both, values=values)


def _common(some: Sequence[int], others: Sequence[int]) -> Sequence[int]:
    if some == ALL_VALUES:
        return others
    return some if others == ALL_VALUES else [one for one in some if one in others]


@operation(
    summary="How far a campaign is towards its goal",
    description="JSON, or with `format=svg` or `Accept: image/svg+xml` a picture.",
    permission=PERMISSION,
    query=schemas.THERMOMETER_QUERY,
    answers={200: schemas.THERMOMETER},
    refuses=(NotFound,),
    invalid=INVALID,
    resource="Campaign",
    tag=TAG,
    enveloped=False,
    failures=FAILURES,
    other_media_types=(SVG,),
)
async def show_thermometer(call: Call) -> Answer:
    async with call.read() as tx:
        found = await queries.campaign(tx, call.path["id"])
        if found is None:
            raise NotFound("Campaign")
        reached = await queries.reached(tx, found.scope)
    reading = Reading(found.goal_metric, found.goal_target, reached[found.goal_metric])
    if call.query.get("format", _accepted(call)) == "svg":
        picture = Raw(draw(found.name, reading))
        return Answer(200, picture, headers=_VARY, enveloped=False, content_type=f"{SVG}; charset=utf-8")
    return replace(told(reading.document()), headers=_VARY)


_VARY = {"Vary": "Accept"}


def _accepted(call: Call) -> str:
    """A picture for who names its type, JSON for who takes anything."""
    types = [part.partition(";")[0].strip().lower() for part in call.request.headers.get(hdrs.ACCEPT, "").split(",")]
    return "svg" if SVG in types else "json"


@operation(
    summary="Recognitions by their words, the best first",
    permission=PERMISSION,
    query=schemas.SEARCH_QUERY,
    answers={200: schemas.SEARCH},
    invalid=INVALID,
    tag=TAG,
    enveloped=False,
    failures=FAILURES,
)
async def search_recognitions(call: Call) -> Answer:
    async with call.read() as tx:
        return told(await searching.search(tx, call.query["q"], call.query["limit"]))


@operation(
    summary="How much was given in the running period, and for which core values",
    permission=PERMISSION,
    query=schemas.SUMMARY_QUERY,
    answers={200: schemas.SUMMARY},
    invalid=INVALID,
    tag=TAG,
    enveloped=False,
    failures=FAILURES,
)
async def show_summary(call: Call) -> Answer:
    period = call.query.get("period", times.DEFAULT_PERIOD)
    async with call.read() as tx:
        window = times.running(period, await queries.timezone(tx), call.context.clock())
        scope = Scope(window=window)
        reached = await queries.reached(tx, scope)
        return told({"period": period, **reached, "core_values": await queries.by_core_value(tx, scope)})


ROUTES: tuple[Route, ...] = (
    Route("GET", "/insights/leaderboard", show_leaderboard),
    Route("GET", "/insights/campaigns/{id}/thermometer", show_thermometer),
    Route("GET", "/insights/search", search_recognitions),
    Route("GET", "/insights/summary", show_summary),
)
