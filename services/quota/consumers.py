"""What quota does about the events of auth and recognition."""

from __future__ import annotations

from services.quota import commands
from services.quota.commands import Spending
from services.quota.domain import Settings, TotalsDiffer
from shared import history, members
from shared.contracts import recognition as events
from shared.database import Connection
from shared.envelope import Received
from shared.inbox import NeverAcceptable


async def organisation_told(tx: Connection, received: Received[members.OrganisationEvent]) -> None:
    await members.keep_organisation(tx, received)
    told = received.event
    settings = Settings(
        told.version, told.hi5_limit, told.hi5_quota_renewal_frequency, told.timezone, received.occurred_at
    )
    async with history.on_behalf_of(tx, told.changed_by):
        await commands.take_settings(tx, told.organisation_id, settings)


async def hi5_spent(tx: Connection, received: Received[events.Hi5Spent]) -> None:
    hi5 = received.event
    await _book(tx, Spending(received.id, "spend", hi5.recognition_id, hi5.given_at, hi5.allowance))


async def hi5_refunded(tx: Connection, received: Received[events.Hi5Refunded]) -> None:
    refund = received.event
    await _book(tx, Spending(received.id, "refund", refund.recognition_id, refund.refunded_at, refund.allowance))


async def recognition_given(tx: Connection, received: Received[events.RecognitionGiven]) -> None:
    given = received.event
    if given.allowance is not None:
        await _book(tx, Spending(received.id, "spend", given.recognition_id, given.given_at, given.allowance))


async def allowances_restated(tx: Connection, received: Received[events.AllowancesRestated]) -> None:
    await commands.restate(tx, received.id, received.event)


async def _book(tx: Connection, spending: Spending) -> None:
    try:
        await commands.book(tx, spending)
    except TotalsDiffer as error:
        raise NeverAcceptable(str(error)) from error
