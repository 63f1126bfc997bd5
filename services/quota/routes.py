"""Requests to commands and queries, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.quota import commands, queries, schemas
from services.quota.commands import Adjusting, PolicyUnknown, UnknownUser
from services.quota.proof import INVARIANTS
from shared.database import Connection
from shared.errors import AccessDenied, InvalidData, NotFound, Unavailable, Unprocessable
from shared.http import Answer, Call, created, listed, listed_whole, ok, operation
from shared.periods import Window
from shared.proof import INVARIANT, prove

OF_OTHERS = "manage:quota"
INVALID_AVAILABILITY = "Invalid availability query"
FURTHEST_AVAILABILITY = timedelta(days=5 * 366)


@operation(
    summary="Your hi5s in the running period",
    description="A super admin is a member of no organisation and has none.",
    permission="view:quota",
    answers={200: schemas.QUOTA},
    refuses=(Unavailable,),
    resource="Quota",
    tag="Quota",
)
async def show_own_quota(call: Call) -> Answer:
    if call.principal.is_super_admin:
        return await _nobodys_quota(call)
    return await _quota_of(call, call.principal.user_id)


@operation(
    summary="Somebody's hi5s in the running period",
    permission=OF_OTHERS,
    answers={200: schemas.QUOTA},
    refuses=(Unavailable,),
    resource="User",
    tag="Quota",
)
async def show_quota(call: Call) -> Answer:
    await _check_member(call, call.path["id"])
    return await _quota_of(call, call.path["id"])


@operation(
    summary="What came into and went out of somebody's hi5s",
    description="The newest first: every grant, spend, refund, adjustment, reduction and correction with its event."
    " An adjustment counts at once; its posting, under the same id, follows with the next spend or refund.",
    permission="view:quota",
    query=schemas.LEDGER_QUERY,
    answers={200: schemas.LEDGER_LINE},
    refuses=(AccessDenied,),
    many=True,
    invalid="Invalid query",
    resource="User",
    tag="Quota",
)
async def list_ledger(call: Call) -> Answer:
    user_id = call.path["id"]
    if user_id != call.principal.user_id:
        if not call.principal.may(OF_OTHERS):
            raise AccessDenied
        await _check_member(call, user_id)
    async with call.read() as tx:
        page = await queries.ledger(tx, user_id, call.page)
    return listed(call, page.rows, total=page.total, next_cursor=page.next_cursor)


@operation(
    summary="Give somebody extra hi5s in the running period, or take some away",
    description="Never below 0 left: taking away more than is left is refused.",
    permission=OF_OTHERS,
    body=schemas.ADJUST,
    answers={201: schemas.ADJUSTMENT},
    refuses=(Unprocessable, Unavailable),
    invalid="Invalid adjustment data",
    resource="User",
    tag="Quota",
)
async def adjust_quota(call: Call) -> Answer:
    asked = Adjusting(call.path["id"], **call.body)

    async def effect(tx: Connection) -> Answer:
        made = await commands.adjust(tx, call.principal, asked, call.context.clock())
        return created(
            {
                "id": made.id,
                "user_id": made.user_id,
                "amount": made.amount,
                "reason": made.reason,
                "made_by": made.made_by,
                "at": int(made.at.timestamp()),
                "balance": made.balance_after,
            }
        )

    return await call.once_known(lambda: call.write(effect), PolicyUnknown, UnknownUser)


@operation(
    summary="Whether somebody may give a hi5 in a time, and why not",
    description="At some moment from `from` to `to`, both included; of what has passed only the rest counts. Balance"
    " and resets_at are of the period in which it begins. Reasons: `nothing_left` until resets_at, `maintenance`"
    " whenever something would be left, `inactive` who has left, `past` a time that is over, `policy_unknown` until"
    " the organisation's settings have arrived, `not_a_member` a super admin.",
    permission="view:quota",
    query=schemas.AVAILABILITY_QUERY,
    answers={200: schemas.AVAILABILITY},
    refuses=(AccessDenied, NotFound),
    invalid=INVALID_AVAILABILITY,
    resource="User",
    tag="Quota",
)
async def show_availability(call: Call) -> Answer:
    user_id = call.query.get("user_id", call.principal.user_id)
    is_caller = user_id == call.principal.user_id
    if not is_caller and not call.principal.may(OF_OTHERS):
        raise AccessDenied
    now = call.context.clock().replace(microsecond=0)
    asked = _asked_time(call, now)
    if is_caller and call.principal.is_super_admin:
        return ok(queries.unavailable("not_a_member"))
    if asked.end < now:
        return ok(queries.unavailable("past"))
    async with call.read() as tx:
        rest = Window(max(asked.start, now), asked.end)
        return ok(await queries.availability(tx, user_id, rest, is_caller=is_caller))


def _asked_time(call: Call, now: datetime) -> Window:
    """By default this moment, or the one at which it begins."""
    latest = int((now + FURTHEST_AVAILABILITY).timestamp())
    start = call.query.get("start")
    end = call.query.get("end", start)
    wrong = {
        name: "Is more than five years away."
        for name, moment in (("from", start), ("to", end))
        if moment is not None and moment > latest
    }
    if not wrong and end is not None and end < (int(now.timestamp()) if start is None else start):
        wrong["to"] = "Must not be before from."
    if wrong:
        raise InvalidData(INVALID_AVAILABILITY, fields=wrong)
    begins = now if start is None else datetime.fromtimestamp(start, UTC)
    return Window(begins, begins if end is None else max(begins, datetime.fromtimestamp(end, UTC)))


@operation(
    summary="Whether the ledger's books are right, now",
    description="Each invariant with its query and what the query counted.",
    permission="view:proof",
    answers={200: INVARIANT},
    many=True,
    resource="Proof",
    tag="Quota",
)
async def show_proof(call: Call) -> Answer:
    async with call.read() as tx:
        invariants = await prove(tx, INVARIANTS)
    return listed_whole(call, invariants, len(invariants))


async def _quota_of(call: Call, user_id: int) -> Answer:
    now = call.context.clock()
    found = await queries.quota_now(call.context.database, call.org_id, user_id, now)
    return ok(found) if found is not None else await _quota_without_allowance(call, user_id)


async def _nobodys_quota(call: Call) -> Answer:
    period = await _quota_without_allowance(call, call.principal.user_id)
    return ok(period.data | {"balance": 0, "limit": 0, "spent": 0})


async def _quota_without_allowance(call: Call, user_id: int) -> Answer:
    async def read() -> Answer:
        async with call.read() as tx:
            return ok(await queries.quota_without_allowance(tx, user_id, call.context.clock()))

    return await call.once_known(read, PolicyUnknown, UnknownUser)


async def _check_member(call: Call, user_id: int) -> None:
    async with call.read() as tx:
        if not await queries.is_member(tx, user_id):
            raise NotFound(call.operation.resource)
