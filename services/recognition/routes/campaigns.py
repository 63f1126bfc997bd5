"""Campaigns: recognition drives with a goal."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from services.recognition.commands import campaigns as commands
from services.recognition.commands.campaigns import INVALID, UnknownTeam
from services.recognition.kinds.campaigns import CAMPAIGNS
from services.recognition.schemas import campaigns as schemas
from services.recognition.store import campaigns as rows
from services.recognition.store.campaigns import Campaign, Drive
from shared.database import Connection
from shared.errors import InvalidData, NotFound, VersionMismatch
from shared.http import Answer, Call, Page, PageQuery, Raw, Route, created, no_content, ok, operation
from shared.query import Asked, answer, asked_in, in_query_string, partly, query_route

RESOURCE = "Campaign"
TAG = "Campaigns"
VIEW, MANAGE = "view:campaign", "manage:campaign"
MOMENTS = ("starts_at", "ends_at")
LISTS = ("core_value_ids", "team_ids")


@operation(
    summary="The campaigns of the organisation",
    permission=VIEW,
    query=in_query_string(CAMPAIGNS, PageQuery),
    answers={200: partly(schemas.CAMPAIGN)},
    invalid="Invalid query",
    tag=TAG,
    many=True,
)
async def list_campaigns(call: Call) -> Answer:
    asked = asked_in(CAMPAIGNS, call.query) or Asked((), None, None, Page.of(call.query))
    return await answer(call, CAMPAIGNS, asked)


@operation(
    summary="One campaign",
    permission=VIEW,
    answers={200: schemas.CAMPAIGN},
    refuses=(NotFound,),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
)
async def show_campaign(call: Call) -> Answer:
    async with call.read() as tx:
        found = await rows.campaign_document(tx, call.path["id"])
    if found is None:
        raise NotFound(RESOURCE)
    document, version = found
    return ok(Raw(document), version=version)


@operation(
    summary="Begin a campaign",
    permission=MANAGE,
    body=schemas.WRITE_CAMPAIGN,
    answers={201: schemas.CAMPAIGN},
    invalid=INVALID,
    tag=TAG,
)
async def begin_campaign(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        made = await commands.begin_campaign(tx, _drive(call.body))
        return created(await _document(tx, made), version=made.version)

    return await call.once_known(lambda: call.write(effect), UnknownTeam)


@operation(
    summary="Set a campaign's name, time, goal, core values and teams",
    description="Core values and teams that are not named are none: then all count.",
    permission=MANAGE,
    body=schemas.WRITE_CAMPAIGN,
    answers={200: schemas.CAMPAIGN},
    refuses=(VersionMismatch,),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
)
async def put_campaign(call: Call) -> Answer:
    return await _change(call, InvalidData(INVALID, fields={"id": "No such campaign."}))


@operation(
    summary="Change what is named of a campaign",
    description="A merge patch (RFC 7396): null takes all core values, or all teams, away.",
    permission=MANAGE,
    body=schemas.PATCH_CAMPAIGN,
    answers={200: schemas.CAMPAIGN},
    refuses=(NotFound, VersionMismatch),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
)
async def patch_campaign(call: Call) -> Answer:
    return await _change(call, NotFound(RESOURCE))


@operation(
    summary="Remove a campaign",
    permission=MANAGE,
    answers={204: None},
    refuses=(NotFound, VersionMismatch),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
)
async def delete_campaign(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        present = await _locked(tx, call, NotFound(RESOURCE))
        await rows.delete_campaign(tx, present.id)
        return no_content()

    return await call.write(effect)


async def _change(call: Call, unknown: NotFound | InvalidData) -> Answer:
    async def effect(tx: Connection) -> Answer:
        present = await _locked(tx, call, unknown)
        changed = await commands.change_campaign(tx, present, _drive(call.body, present.drive))
        return ok(await _document(tx, changed), version=changed.version)

    return await call.once_known(lambda: call.write(effect), UnknownTeam)


def _drive(body: dict[str, Any], present: Drive | None = None) -> Drive:
    """What the body names; what it does not name is as at present."""
    named = {**body, **{name: datetime.fromtimestamp(body[name], UTC) for name in MOMENTS if name in body}}
    wanted = named if present is None else asdict(present) | named
    return Drive(**{**wanted, **{name: tuple(wanted[name] or ()) for name in LISTS}})


async def _locked(tx: Connection, call: Call, unknown: NotFound | InvalidData) -> Campaign:
    present = await rows.lock_campaign(tx, call.path["id"])
    if present is None:
        raise unknown
    call.check_version(present.version)
    return present


async def _document(tx: Connection, campaign: Campaign) -> Raw:
    found = await rows.campaign_document(tx, campaign.id)
    if found is None:
        raise LookupError("a campaign that was just kept is not there")
    return Raw(found[0])


ROUTES: tuple[Route, ...] = (
    query_route("campaigns", CAMPAIGNS, permission=VIEW, tag=TAG),
    Route("GET", "/campaigns", list_campaigns),
    Route("POST", "/campaigns", begin_campaign),
    Route("GET", "/campaigns/{id}", show_campaign),
    Route("PUT", "/campaigns/{id}", put_campaign),
    Route("PATCH", "/campaigns/{id}", patch_campaign),
    Route("DELETE", "/campaigns/{id}", delete_campaign),
)
