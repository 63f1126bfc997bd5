"""Thanking somebody, taking over what was said before, hiding and showing again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.recognition.domain import recognitions as domain
from services.recognition.domain.recognitions import Standing
from services.recognition.store import allowances
from services.recognition.store import recognitions as store
from services.recognition.store.recognitions import Given, Imported, Step
from shared import members, outbox
from shared.contracts.recognition import Allowance, RecognitionChanged, RecognitionDeleted, RecognitionGiven
from shared.database import Connection
from shared.identity import Principal, Role

FIRST_VERSION = 1
MODERATE = "review:recognition"
ADMINS = frozenset({Role.SUPER_ADMIN, Role.ORGANISATION_ADMIN})
CheckVersion = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveRecognition:
    given_for: int
    core_value_id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecognition:
    """A text of None stays as it is."""

    recognition_id: int
    text: str | None
    check_version: CheckVersion


async def give_recognition(tx: Connection, giver: Principal, ask: GiveRecognition) -> Given:
    """Spends a hi5 where the organisation says so. Raises what `domain.check_recognition` raises, and

    `InsufficientBalance` or `NoAllowance`.
    """
    await members.ensure_member(tx, giver)
    return await give_in_name_of(tx, giver.user_id, ask)


async def give_in_name_of(tx: Connection, giver: int, ask: GiveRecognition) -> Given:
    """The same for a member who is not there to ask."""
    around = await store.surroundings(tx, giver, ask.given_for, ask.core_value_id)
    cost = domain.check_recognition(giver, ask.given_for, around)
    given = await store.add(tx, giver, ask.given_for, ask.core_value_id, ask.text)
    spent = await allowances.spend_on_recognition(tx, giver, *given) if cost else None
    await outbox.append(tx, _given(giver, ask, given, cost, spent))
    return given


def _given(giver: int, ask: GiveRecognition, given: Given, cost: int, spent: Allowance | None) -> RecognitionGiven:
    return RecognitionGiven(
        recognition_id=given.id,
        given_by=giver,
        given_for=ask.given_for,
        core_value_id=ask.core_value_id,
        text=ask.text,
        given_at=_seconds(given.given_at),
        cost=cost,
        imported=False,
        allowance=spent,
        version=FIRST_VERSION,
    )


async def change_recognition(tx: Connection, giver: Principal, ask: ChangeRecognition) -> bool:
    """Nothing happens when it says so already; False where the giver sees no such recognition.

    Raises what `domain.check_own` and `check_version` raise.
    """
    standing = await _standing(tx, giver, ask.recognition_id)
    if standing is None:
        return False
    domain.check_own(standing, giver.user_id)
    ask.check_version(standing.version)
    if ask.text is not None and ask.text != standing.text:
        version = await store.change_text(tx, ask.recognition_id, ask.text)
        await outbox.append(tx, RecognitionChanged(recognition_id=ask.recognition_id, text=ask.text, version=version))
    return True


async def take_back_recognition(
    tx: Connection, remover: Principal, recognition_id: int, check_version: CheckVersion
) -> bool:
    """By who gave it, or by an admin at any time; what was spent on it in the running periods goes back.

    False where the remover sees no such recognition; raises what `domain.check_own` and `check_version` raise.
    """
    standing = await _standing(tx, remover, recognition_id)
    if standing is None:
        return False
    if remover.role_id not in ADMINS:
        domain.check_own(standing, remover.user_id)
    check_version(standing.version)
    taken = await store.take_back(tx, recognition_id, remover.user_id)
    await outbox.append(
        tx,
        RecognitionDeleted(
            recognition_id=recognition_id,
            deleted_by=remover.user_id,
            deleted_at=_seconds(taken.at),
            version=taken.version,
        ),
    )
    return True


async def _standing(tx: Connection, who: Principal, recognition_id: int) -> Standing | None:
    standing = await store.lock(tx, recognition_id)
    return None if standing is not None and standing.hidden and not who.may(MODERATE) else standing


async def import_recognitions(tx: Connection, rows: Sequence[Imported]) -> int:
    """Takes over recognitions from before: they keep their time and cost nothing. Tells how many were new."""
    if not rows:
        return 0
    ids = await store.add_imported(tx, rows)
    fresh: dict[str, Imported] = {}
    for row in rows:
        if row.external_id in ids:
            fresh.setdefault(row.external_id, row)
    await outbox.append(tx, *(_imported(ids[external_id], row) for external_id, row in fresh.items()))
    return len(fresh)


def _imported(recognition_id: int, row: Imported) -> RecognitionGiven:
    return RecognitionGiven(
        recognition_id=recognition_id,
        given_by=row.given_by,
        given_for=row.given_for,
        core_value_id=row.core_value_id,
        text=row.text,
        given_at=_seconds(row.given_at),
        cost=0,
        imported=True,
        allowance=None,
        version=FIRST_VERSION,
    )


async def moderate_recognition(tx: Connection, recognition_id: int, step: int, *, hide: bool) -> Step:
    """Hiding gives the hi5s of the running period back; see `moderate` in the migrations."""
    return await store.moderate(tx, recognition_id, step, hide=hide)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
