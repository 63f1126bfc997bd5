"""The right to spend: opening it, spending it, and what quota and auth say about it."""

from __future__ import annotations

from services.recognition.store import allowances as store
from services.recognition.store.allowances import Hi5Answer, Hi5Request
from shared import members, periods
from shared.contracts.quota import AllowanceAdjusted, QuotaPolicyChanged
from shared.database import Connection, Database
from shared.errors import InvalidToken
from shared.idempotency import Key
from shared.identity import Principal


async def give_hi5(database: Database, request: Hi5Request, key: Key | None) -> Hi5Answer:
    """A transaction of its own, since it is one call of one SQL function.

    Raises `NoAllowance`, `UnknownRecognition`, `OwnRecognition`, `AlreadyGiven`, `InsufficientBalance`, `InvalidToken`,
    `IdempotencyKeyReused` or `RequestInProgress`.
    """
    return await store.give_hi5(database, request, key)


async def open_allowance(tx: Connection, owner: Principal) -> bool:
    """Opens the allowance that covers this moment unless there is one; false while no policy is known.

    Raises `InvalidToken` for who is deactivated.
    """
    await members.ensure_member(tx, owner)
    return await open_allowance_of(tx, owner.user_id)


async def open_allowance_of(tx: Connection, user_id: int) -> bool:
    """The same for a member who is not there to ask."""
    if not await store.lock_member(tx, user_id):
        raise InvalidToken
    gap = await store.gap(tx, user_id)
    if gap.calendars is None:
        return False
    if not gap.is_covered:
        nominal = periods.window(gap.calendars, gap.now)
        await store.open_allowance(tx, user_id, periods.cut(nominal, gap.previous_end, gap.next_start))
    return True


async def follow_member(tx: Connection, user_id: int, version: int, *, active: bool) -> None:
    """Closes the running allowance of who left, with its window and totals; opens it again for who is back."""
    if active:
        await store.reopen_allowances(tx, user_id, version)
    else:
        await store.close_allowances(tx, user_id, version)


async def keep_policy(tx: Connection, policy: QuotaPolicyChanged) -> None:
    await store.keep_policy(tx, policy.version, policy.limit, policy.calendars)


async def keep_adjustments(tx: Connection, adjusted: AllowanceAdjusted) -> None:
    await store.keep_adjustments(tx, adjusted.user_id, adjusted.version, adjusted.adjustments)
