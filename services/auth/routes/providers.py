"""The identity providers whose tokens an organisation trusts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import cast

import orjson

from services.auth.commands import providers as commands
from services.auth.commands.endings import Ending
from services.auth.commands.issuing import check_in_person, lock_office
from services.auth.commands.providers import INVALID
from services.auth.domain.providers_addresses import WrongAddress, check_issuer, check_url
from services.auth.queries import providers as queries
from services.auth.queries.organisations import organisation_exists
from services.auth.queries.people import Document
from services.auth.routes.answering import require_all_rights, shown, write_and_tell
from services.auth.schemas import PAGE_QUERY
from services.auth.schemas import providers as schemas
from services.auth.settings import Settings
from services.auth.store.providers import IdentityProvider, find_provider, is_looked_at
from shared.database import Connection
from shared.errors import Conflict, InvalidData, NotFound, Unavailable, VersionMismatch
from shared.http import Answer, Call, created, listed, no_content, operation
from shared.identity.principal import SYSTEM_ORGANISATION
from shared.identity.records import POLL_SECONDS

TAG = "Identity providers"
RESOURCE = "Identity provider"
PERMISSION = "update:organisation"
FIRST_LOOK_SECONDS = 2.0
PAUSE_SECONDS = 0.05
SPREADS_SECONDS = 2 * POLL_SECONDS
"""Every process has read its own tables by then."""


@operation(
    summary="Trust an identity provider: its tokens are bearer tokens of the organisation's people",
    description="Its keys are fetched now, for two seconds at most, and again every few minutes. Tokens need a verified"
    " e-mail address of one of the organisation's domains; who is not known yet becomes an employee."
    " This takes a session.",
    permission=PERMISSION,
    body=schemas.ADD_IDENTITY_PROVIDER,
    answers={201: schemas.IDENTITY_PROVIDER},
    refuses=(NotFound, Conflict),
    invalid=INVALID,
    resource="Organisation",
    tag=TAG,
    tenant=False,
)
async def add_identity_provider(call: Call) -> Answer:
    _work_for_path(call)
    check_in_person(call.principal)
    _check_addresses(call)

    async def effect(tx: Connection) -> Answer:
        await _lock_organisation(tx, call)
        document = await _document(tx, await commands.add_provider(tx, call.body, call.context.clock()))
        return created(document.json, version=document.version)

    answer = await call.write(effect)
    return answer if "Idempotency-Replayed" in answer.headers else await _once_looked_at(call, answer)


async def _once_looked_at(call: Call, answer: Answer) -> Answer:
    """Waits for the first look at the provider, so that its tokens work everywhere when the answer is there."""
    provider_id = orjson.loads(answer.data.bytes)["id"]
    try:
        async with asyncio.timeout(FIRST_LOOK_SECONDS):
            while not await _is_looked_at(call, provider_id):
                await asyncio.sleep(PAUSE_SECONDS)
    except TimeoutError:
        return answer
    await asyncio.sleep(SPREADS_SECONDS)
    async with call.read() as tx:
        document = await _document(tx, provider_id)
    return created(document.json, version=document.version)


async def _is_looked_at(call: Call, provider_id: int) -> bool:
    async with call.read() as tx:
        return await is_looked_at(tx, provider_id)


@operation(
    summary="The identity providers of an organisation, by id",
    permission=PERMISSION,
    query=PAGE_QUERY,
    answers={200: schemas.IDENTITY_PROVIDER},
    refuses=(NotFound,),
    invalid=INVALID,
    resource="Organisation",
    tag=TAG,
    tenant=False,
    many=True,
)
async def list_identity_providers(call: Call) -> Answer:
    _work_for_path(call)
    async with call.read() as tx:
        if not await organisation_exists(tx, call.org_id):
            raise NotFound("Organisation")
        found = await queries.list_providers(tx, call.page)
    return listed(call, found.json, total=found.total, next_cursor=found.next_cursor)


@operation(
    summary="One identity provider",
    permission=PERMISSION,
    answers={200: schemas.IDENTITY_PROVIDER},
    refuses=(NotFound,),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
    tenant=False,
)
async def show_identity_provider(call: Call) -> Answer:
    _work_for_path(call)
    async with call.read() as tx:
        document = await queries.identity_provider(tx, call.path["provider_id"])
    if document is None:
        raise NotFound(RESOURCE)
    return shown(document)


@operation(
    summary="Change an identity provider",
    description="Its issuer stays: another one is another provider. With another `jwks_uri` the keys of the one before"
    " count no more. This takes a session.",
    permission=PERMISSION,
    body=schemas.CHANGE_IDENTITY_PROVIDER,
    answers={200: schemas.IDENTITY_PROVIDER},
    refuses=(NotFound, Conflict, VersionMismatch, Unavailable),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
    tenant=False,
)
async def change_identity_provider(call: Call) -> Answer:
    _work_for_path(call)
    check_in_person(call.principal)
    _check_addresses(call)

    async def effect(tx: Connection, ending: Ending) -> Answer:
        present = await _locked(tx, call)
        await commands.change_provider(tx, present, call.body, call.context.clock(), ending)
        return shown(await _document(tx, present.id))

    return await write_and_tell(call, effect)


@operation(
    summary="Trust an identity provider no more: its tokens are refused, and what was made with them",
    permission=PERMISSION,
    answers={204: None},
    refuses=(NotFound, VersionMismatch, Unavailable),
    invalid=INVALID,
    resource=RESOURCE,
    tag=TAG,
    tenant=False,
)
async def remove_identity_provider(call: Call) -> Answer:
    _work_for_path(call)
    require_all_rights(call)

    async def effect(tx: Connection, ending: Ending) -> Answer:
        await commands.remove_provider(tx, await _locked(tx, call), call.context.clock(), ending)
        return no_content()

    return await write_and_tell(call, effect)


def _work_for_path(call: Call) -> None:
    """An admin's own organisation, or a super admin's choice; the installation itself has no people to let in."""
    named = call.path["id"]
    if named == SYSTEM_ORGANISATION or (not call.principal.is_super_admin and named != call.principal.org_id):
        raise NotFound("Organisation")
    call.org_id = named


def _check_addresses(call: Call) -> None:
    settings = cast(Settings, call.context.settings)
    checks: dict[str, Callable[[str], object]] = {
        "issuer": partial(check_issuer, inside=settings.providers_internal),
        "jwks_uri": partial(check_url, inside=settings.providers_internal),
    }
    wrong = {}
    for name, check in checks.items():
        try:
            if call.body.get(name) is not None:
                check(call.body[name])
        except WrongAddress as error:
            wrong[name] = str(error)
    if call.body.get("issuer", "").rstrip("/") == settings.public_url:
        wrong["issuer"] = "Is this installation itself."
    if wrong:
        raise InvalidData(INVALID, fields=wrong)


async def _lock_organisation(tx: Connection, call: Call) -> None:
    if await lock_office(tx, call.principal, call.org_id) is None:
        raise NotFound("Organisation")


async def _locked(tx: Connection, call: Call) -> IdentityProvider:
    await lock_office(tx, call.principal, call.org_id)
    provider = await find_provider(tx, call.path["provider_id"], locked=True)
    if provider is None:
        raise NotFound(RESOURCE)
    call.check_version(provider.version)
    return provider


async def _document(tx: Connection, provider_id: int) -> Document:
    document = await queries.identity_provider(tx, provider_id)
    if document is None:
        raise LookupError("a provider that was just written is not there")
    return document
