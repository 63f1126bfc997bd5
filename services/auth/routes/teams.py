"""Teams: people of an organisation under a name, with somebody who leads them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from services.auth.commands import teams as commands
from services.auth.commands.issuing import hold_caller
from services.auth.commands.teams import INVALID
from services.auth.queries import teams as queries
from services.auth.queries.kinds import TEAMS
from services.auth.queries.people import Document
from services.auth.routes.answering import shown
from services.auth.schemas import teams as schemas
from services.auth.store import teams as rows
from services.auth.store.teams import Roster, Team
from shared.database import Connection
from shared.errors import Conflict, InvalidData, NotFound, VersionMismatch
from shared.http import Answer, Call, Page, PageQuery, Route, created, no_content, operation
from shared.query import Asked, answer, asked_in, in_query_string, partly, query_route

RESOURCE = "Team"
TAG = "Teams"
VIEW, MANAGE = "view:team", "manage:team"


@operation(
    summary="The teams of the organisation",
    permission=VIEW,
    query=in_query_string(TEAMS, PageQuery),
    answers={200: partly(schemas.TEAM)},
    invalid="Invalid query",
    tag=TAG,
    many=True,
)
async def list_teams(call: Call) -> Answer:
    asked = asked_in(TEAMS, call.query) or Asked((), None, None, Page.of(call.query))
    return await answer(call, TEAMS, asked)


@operation(
    summary="One team",
    permission=VIEW,
    answers={200: schemas.TEAM},
    refuses=(NotFound,),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
)
async def show_team(call: Call) -> Answer:
    async with call.read() as tx:
        document = await queries.team(tx, call.path["id"])
    if document is None:
        raise NotFound(RESOURCE)
    return shown(document)


@operation(
    summary="Begin a team",
    permission=MANAGE,
    body=schemas.WRITE_TEAM,
    answers={201: schemas.TEAM},
    refuses=(Conflict,),
    invalid=INVALID,
    tag=TAG,
)
async def begin_team(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        await hold_caller(tx, call.principal, call.org_id)
        wrong = await commands.unknown_people(tx, call.body["member_ids"], call.body["lead_id"])
        if wrong:
            raise InvalidData(INVALID, fields=wrong)
        made = await commands.begin_team(tx, _roster(call.body))
        document = await _document(tx, made)
        return created(document.json, version=document.version)

    return await call.write(effect)


@operation(
    summary="Set a team's name, members and lead",
    description="Members and lead that are not named are none.",
    permission=MANAGE,
    body=schemas.WRITE_TEAM,
    answers={200: schemas.TEAM},
    refuses=(Conflict, VersionMismatch),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
)
async def put_team(call: Call) -> Answer:
    return await _change(call, InvalidData(INVALID, fields={"id": "No such team."}))


@operation(
    summary="Change what is named of a team",
    description="A merge patch (RFC 7396): null takes the lead, or all members, away.",
    permission=MANAGE,
    body=schemas.PATCH_TEAM,
    answers={200: schemas.TEAM},
    refuses=(NotFound, Conflict, VersionMismatch),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
)
async def patch_team(call: Call) -> Answer:
    return await _change(call, NotFound(RESOURCE))


@operation(
    summary="End a team",
    permission=MANAGE,
    answers={204: None},
    refuses=(NotFound, VersionMismatch),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
)
async def end_team(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        await hold_caller(tx, call.principal, call.org_id)
        await commands.end_team(tx, await _locked(tx, call, NotFound(RESOURCE)))
        return no_content()

    return await call.write(effect)


async def _change(call: Call, unknown: NotFound | InvalidData) -> Answer:
    async def effect(tx: Connection) -> Answer:
        await hold_caller(tx, call.principal, call.org_id)
        # People before the team, as somebody's leaving takes them.
        wrong = await commands.unknown_people(tx, call.body.get("member_ids") or [], call.body.get("lead_id"))
        present = await _locked(tx, call, unknown)
        if wrong:
            raise InvalidData(INVALID, fields=wrong)
        changed = await commands.change_team(tx, present, _roster(call.body, present.roster))
        return shown(await _document(tx, changed))

    return await call.write(effect)


def _roster(body: dict[str, Any], present: Roster | None = None) -> Roster:
    """What the body names; what it does not name is as at present."""
    wanted = body if present is None else asdict(present) | body
    return Roster(wanted["name"], tuple(wanted["member_ids"] or ()), wanted["lead_id"])


async def _locked(tx: Connection, call: Call, unknown: NotFound | InvalidData) -> Team:
    present = await rows.lock_team(tx, call.path["id"])
    if present is None:
        raise unknown
    call.check_version(present.version)
    return present


async def _document(tx: Connection, team: Team) -> Document:
    document = await queries.team(tx, team.id)
    if document is None:
        raise LookupError("a team that was just kept is not there")
    return document


ROUTES: tuple[Route, ...] = (
    query_route("teams", TEAMS, permission=VIEW, tag=TAG),
    Route("GET", "/teams", list_teams),
    Route("POST", "/teams", begin_team),
    Route("GET", "/teams/{id}", show_team),
    Route("PUT", "/teams/{id}", put_team),
    Route("PATCH", "/teams/{id}", patch_team),
    Route("DELETE", "/teams/{id}", end_team),
)
