"""What changes policies, the ledger and adjustments; each inside a given transaction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from services.quota import domain, store
from services.quota.domain import Movement, Place, Settings
from shared import outbox
from shared.contracts.quota import Adjustment, AllowanceAdjusted, QuotaPolicyChanged
from shared.contracts.recognition import Allowance, AllowancesRestated
from shared.database import Connection
from shared.errors import InvalidData, Unavailable, Unprocessable
from shared.identity import Principal
from shared.inbox import MissingPrerequisite, arrived, released
from shared.periods import cut, window

ADJUSTMENTS_KEPT = timedelta(days=100)


class UnknownUser(InvalidData):
    """Nobody of the organisation has this id, or they have left."""

    def __init__(self) -> None:
        super().__init__("Invalid adjustment data", fields={"id": "No such user in this organisation."})


class PolicyUnknown(Unavailable):
    """The organisation's settings have not arrived yet."""

    def __init__(self) -> None:
        super().__init__("The organisation's quota policy has not arrived yet; try again in a moment")


@dataclass(frozen=True, slots=True)
class Spending:
    """A movement of an allowance as an event tells of it."""

    event_id: UUID
    movement: Movement
    recognition_id: int
    at: int
    allowance: Allowance


@dataclass(frozen=True, slots=True)
class Adjusting:
    user_id: int
    amount: int
    reason: str


async def take_settings(tx: Connection, organisation_id: int, settings: Settings) -> None:
    """Works the policy out anew when the settings are news, and publishes it."""
    if not await store.add_settings(tx, settings):
        return
    policy = domain.policy_of(await store.settings_history(tx))
    await store.add_policy(tx, policy)
    calendars = tuple(calendar.fact() for calendar in policy.calendars)
    await outbox.append(
        tx,
        QuotaPolicyChanged(
            organisation_id=organisation_id, version=policy.version, limit=policy.hi5_limit, calendars=calendars
        ),
    )


async def book(tx: Connection, spending: Spending) -> None:
    """Books one movement in the order of its allowance's seq, and publishes the balance.

    Raises `MissingPrerequisite` when an earlier one is missing, `TotalsDiffer` when the ledger comes to other totals.
    """
    allowance = spending.allowance
    known = await store.known(tx, allowance)
    place = domain.place(known.book, allowance, outlived=known.outlived)
    if place is Place.EARLY:
        raise MissingPrerequisite(_key(allowance, allowance.seq - 1))
    key = _key(allowance, allowance.seq)
    if place is Place.KNOWN:
        await arrived(tx, key)
        return
    cause = store.Cause(spending.event_id, spending.recognition_id, spending.at)
    entries = domain.entries(known.book, allowance, spending.movement, known.unposted)
    for lost_id in known.outlives:
        await _retire(tx, cause, lost_id, allowance.user_id, allowance.epoch)
    if await store.book_and_tell(tx, cause, allowance, entries, key):
        released()


async def restate(tx: Connection, event_id: UUID, told: AllowancesRestated) -> None:
    """Brings the books of one person to what a restored recognition has; what its new epoch has told already stands."""
    cause = store.Cause(event_id, 0, told.restated_at)
    for lost_id in await store.books_before(tx, told.user_id, told.lost, told.epoch):
        await _retire(tx, cause, lost_id, told.user_id, told.epoch)
    for allowance in told.allowances:
        known = await store.known(tx, allowance)
        if known.outlived or (known.book is not None and known.book.epoch >= told.epoch):
            continue
        before = None if known.book is None else known.book.totals
        corrections = domain.restated(before, domain.Totals.of(allowance))
        await store.book(tx, cause, allowance, corrections)
        await arrived(tx, _key(allowance, allowance.seq))
    balance = await store.newest_balance(tx, told.user_id)
    if balance is not None:
        await outbox.append(tx, balance)


async def _retire(tx: Connection, cause: store.Cause, lost_id: int, user_id: int, epoch: int) -> None:
    lost = await store.retire_book(tx, lost_id, user_id, epoch)
    await store.post(tx, cause, lost, domain.retired(lost.totals))


def _key(allowance: Allowance, seq: int) -> str:
    return f"allowance:{allowance.id}:{seq}"


async def adjust(tx: Connection, admin: Principal, asked: Adjusting, now: datetime) -> store.NewAdjustment:
    """Gives or takes hi5s in the person's running period; raises `UnknownUser`, `PolicyUnknown`, `Unprocessable`."""
    if not await store.lock_member(tx, asked.user_id):
        raise UnknownUser
    running, limit = await running_or_nominal(tx, asked.user_id, now)
    target = limit + await store.adjusted_in(tx, asked.user_id, running.window)
    left = domain.left(target, running.net)
    if asked.amount < 0 and -asked.amount > left:
        raise Unprocessable(f"Only {left} hi5s are left in this period; no more than that can be taken away")
    made = store.NewAdjustment(
        id=await store.next_line(tx),
        user_id=asked.user_id,
        amount=asked.amount,
        reason=asked.reason,
        made_by=admin.user_id,
        at=now.replace(microsecond=0),
        balance_after=domain.left(target + asked.amount, running.net),
    )
    event_ids = await outbox.append(tx, await _adjusted(tx, made))
    await store.add_adjustment(tx, made, event_ids[0])
    await outbox.append(tx, await store.renew_balance(tx, asked.user_id, running.window))
    return made


async def running_or_nominal(tx: Connection, user_id: int, now: datetime) -> tuple[store.Running, int]:
    """A person's window and spending now, and the policy's limit; raises `PolicyUnknown`."""
    policy = await store.policy(tx)
    if policy is None:
        raise PolicyUnknown
    running = await store.running(tx, user_id, now)
    if running is None:
        nominal = cut(window(policy.calendars, now), *await store.neighbours(tx, user_id, now))
        running = store.Running(nominal, 0)
    return running, policy.hi5_limit


async def _adjusted(tx: Connection, made: store.NewAdjustment) -> AllowanceAdjusted:
    """The full set with the new one; numbers grow, so the newest is the version."""
    known = await store.adjustments_since(tx, made.user_id, made.at - ADJUSTMENTS_KEPT)
    new = Adjustment(id=made.id, at=int(made.at.timestamp()), amount=made.amount)
    return AllowanceAdjusted(user_id=made.user_id, version=made.id, adjustments=(*known, new))
