"""Giving recognitions and hi5s, and reading them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from services.recognition.commands import allowances
from services.recognition.commands import recognitions as commands
from services.recognition.commands.recognitions import MODERATE
from services.recognition.domain.recognitions import (
    INVALID_HI5,
    INVALID_RECOGNITION,
    NoAllowance,
    UnknownOrganisation,
    UnknownPolicy,
    UnknownReceiver,
)
from services.recognition.queries import recognitions as queries
from services.recognition.routes import querying
from services.recognition.schemas import recognitions as schemas
from services.recognition.store.allowances import Hi5Request
from services.recognition.store.recognitions import Given
from shared.database import Connection
from shared.errors import (
    AccessDenied,
    InsufficientBalance,
    InvalidData,
    NotFound,
    Refusal,
    Unavailable,
    Unprocessable,
    VersionMismatch,
)
from shared.http import Answer, Call, Raw, created, listed, no_content, ok, operation

RESOURCE = "Recognition"
TAG = "Recognitions"
INVALID_QUERY = "Invalid query"
TRIES = 3


@operation(
    summary="Give a recognition",
    description="Where the organisation's `recognition_hi5_cost` is 1, it spends one hi5.",
    permission="create:recognition",
    body=schemas.GIVE_RECOGNITION,
    answers={201: schemas.GIVEN_RECOGNITION},
    refuses=(InsufficientBalance, Unprocessable),
    invalid=INVALID_RECOGNITION,
    resource=RESOURCE,
    tag=TAG,
)
async def give_recognition(call: Call) -> Answer:
    ask = commands.GiveRecognition(**call.body)

    async def effect(tx: Connection) -> Answer:
        given = await commands.give_recognition(tx, call.principal, ask)
        return created(_given(call.principal.user_id, ask, given))

    return await call.once_known(
        lambda: _spending(call, lambda: call.write(effect)), UnknownReceiver, UnknownOrganisation
    )


def _given(giver: int, ask: commands.GiveRecognition, given: Given) -> dict[str, Any]:
    return {
        "id": given.id,
        "core_values_id": ask.core_value_id,
        "core_value_id": ask.core_value_id,
        "text": ask.text,
        "given_for": ask.given_for,
        "given_by": giver,
        "given_at": int(given.given_at.timestamp()),
    }


@operation(
    summary="Give a hi5 on a recognition",
    permission="create:hi5",
    body=schemas.GIVE_HI5,
    answers={201: schemas.GIVEN_HI5},
    refuses=(InsufficientBalance, Unprocessable),
    invalid=INVALID_HI5,
    resource=RESOURCE,
    tag=TAG,
    meta=schemas.BALANCE,
)
async def give_hi5(call: Call) -> Answer:
    giver = call.principal
    comment = call.body["comment"] or None
    request = Hi5Request(call.org_id, call.request_id, giver.user_id, giver.role_id, call.path["id"], comment)

    async def attempt() -> Answer:
        given = await allowances.give_hi5(call.context.database, request, call.idempotency_key)
        headers = {"Idempotency-Replayed": "true"} if given.replayed else {}
        return Answer(given.status, Raw(given.body), headers=headers, enveloped=False)

    answer = await _spending(call, attempt)
    call.context.wake()
    return answer


@operation(
    summary="List recognitions, newest first",
    permission="view:recognition",
    query=querying.FEED_QUERY,
    answers={200: querying.LISTED_RECOGNITION},
    many=True,
    invalid=INVALID_QUERY,
    resource=RESOURCE,
    tag=TAG,
)
async def list_recognitions(call: Call) -> Answer:
    queried = await querying.recognitions(call)
    if queried is not None:
        return queried
    filters = queries.Filters.of(call.query)
    if filters.only_hidden and not call.principal.may(MODERATE):
        raise AccessDenied
    page = await queries.feed(call.context.database, call.org_id, filters, call.page)
    return listed(call, page.rows, total=page.total, next_cursor=page.next_cursor)


@operation(
    summary="Show a recognition",
    permission="view:recognition",
    answers={200: schemas.RECOGNITION},
    invalid=INVALID_RECOGNITION,
    resource=RESOURCE,
    tag=TAG,
)
async def show_recognition(call: Call) -> Answer:
    moderates = call.principal.may(MODERATE)
    found = await queries.recognition(call.context.database, call.org_id, call.path["id"], moderates=moderates)
    if found is None:
        raise NotFound(RESOURCE)
    return ok(found.json, version=found.version)


@operation(
    summary="Change what a recognition says",
    description="By who gave it, for 15 minutes.",
    permission="update:recognition",
    body=schemas.CHANGE_RECOGNITION,
    answers={200: schemas.RECOGNITION},
    refuses=(NotFound, Unprocessable, VersionMismatch),
    invalid=INVALID_RECOGNITION,
    resource=RESOURCE,
    tag=TAG,
)
async def change_recognition(call: Call) -> Answer:
    return await _change(call, NotFound(RESOURCE))


@operation(
    summary="Replace what a recognition says",
    description="By who gave it, for 15 minutes; receiver and core value stay.",
    permission="update:recognition",
    body=schemas.REPLACE_RECOGNITION,
    answers={200: schemas.RECOGNITION},
    refuses=(Unprocessable, VersionMismatch),
    invalid=INVALID_RECOGNITION,
    resource=RESOURCE,
    tag=TAG,
)
async def replace_recognition(call: Call) -> Answer:
    return await _change(call, InvalidData(INVALID_RECOGNITION, fields={"id": "No such recognition."}))


async def _change(call: Call, unknown: Refusal) -> Answer:
    ask = commands.ChangeRecognition(
        recognition_id=call.path["id"], text=call.body.get("text"), check_version=call.check_version
    )

    async def effect(tx: Connection) -> Answer:
        if not await commands.change_recognition(tx, call.principal, ask):
            raise unknown
        found = await queries.recognition_of(
            tx, call.org_id, ask.recognition_id, moderates=call.principal.may(MODERATE)
        )
        if found is None:
            raise LookupError("a recognition that was just changed is not there")
        return ok(found.json, version=found.version)

    return await call.write(effect)


@operation(
    summary="Take a recognition back",
    description="By who gave it, for 15 minutes, or by an admin. What was spent on it in running periods goes back.",
    permission="delete:recognition",
    answers={204: None},
    refuses=(NotFound, Unprocessable, VersionMismatch),
    invalid=INVALID_RECOGNITION,
    resource=RESOURCE,
    tag=TAG,
)
async def take_back_recognition(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        if not await commands.take_back_recognition(tx, call.principal, call.path["id"], call.check_version):
            raise NotFound(RESOURCE)
        return no_content()

    return await call.write(effect)


@operation(
    summary="List the hi5s on a recognition, newest first",
    permission="view:recognition",
    query=schemas.HI5S_QUERY,
    answers={200: schemas.HI5},
    many=True,
    invalid=INVALID_QUERY,
    resource=RESOURCE,
    tag=TAG,
)
async def list_hi5s(call: Call) -> Answer:
    moderates = call.principal.may(MODERATE)
    page = await queries.hi5s(call.context.database, call.org_id, call.path["id"], call.page, moderates=moderates)
    if page is None:
        raise NotFound(RESOURCE)
    return listed(call, page.rows, total=page.total, next_cursor=page.next_cursor)


async def _spending(call: Call, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
    """Spends; where no allowance covers this moment, opens the caller's and spends again."""
    for _ in range(TRIES):
        try:
            return await attempt()
        except NoAllowance:
            await _open_allowance(call)
    raise Unavailable


async def _open_allowance(call: Call) -> None:
    """Raises `UnknownPolicy` when quota's event has not arrived for half a second."""

    async def attempt() -> None:
        async with call.context.database.transaction(call.org_id, request_id=call.request_id) as tx:
            opened = await allowances.open_allowance(tx, call.principal)
        if not opened:
            raise UnknownPolicy

    await call.once_known(attempt, UnknownPolicy)
