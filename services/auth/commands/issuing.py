"""Whose rights a new credential carries, and who changes something: held fast meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from services.auth.commands.people import own_person
from services.auth.domain.credentials import end_of_life
from services.auth.domain.people import Person
from services.auth.store import organisations
from services.auth.store.api_keys import hold_key
from services.auth.store.credentials import hold_credential
from services.auth.store.organisations import Organisation
from services.auth.store.people import find_person, hold_person
from services.auth.store.personal_tokens import hold_token
from services.auth.store.providers import hold_provider
from services.auth.store.tenants import working_for
from services.auth.tokens import LONGEST_CREDENTIAL, Owner
from shared.database import Connection
from shared.errors import AccessDenied, InvalidToken
from shared.identity import Principal
from shared.identity.claims import API_KEY, SESSION

_HOLDERS = {"token": hold_token, "key": hold_key, "provider": hold_provider}


@dataclass(frozen=True, slots=True)
class Maker:
    """Who makes a credential, and what a token says of them."""

    person: Person
    owner: Owner


def check_in_person(maker: Principal) -> None:
    """For what outlives the credential that asks for it: only a session may. Raises `AccessDenied`."""
    if maker.kind != SESSION:
        raise AccessDenied("This takes a session: what it makes would outlive a key, a token or an identity provider")


async def maker_of(tx: Connection, principal: Principal) -> Maker:
    """The caller, who neither leaves nor changes until the transaction's end, no more than their credential does.

    Raises `InvalidToken` when one of them just did.
    """
    person = await own_caller(tx, principal)
    organisation = await organisations.find_organisation(tx, person.org_id)
    if organisation is None:
        raise InvalidToken
    owner = Owner(person.id, person.org_id, organisation.name, int(person.role), person.generation)
    return Maker(person, owner)


async def own_caller(tx: Connection, principal: Principal) -> Person:
    """The caller, to be changed; as `hold_caller`, and nobody else may hold them. Raises `InvalidToken`."""
    person = await own_person(tx, principal.user_id)
    if not await _still_holds(tx, principal, person):
        raise InvalidToken
    return person


async def hold_caller(tx: Connection, principal: Principal, org_id: int) -> None:
    """Looks at the caller again, in a transaction of `org_id`: who waited for a lock may have lost their rights by now.

    They neither leave nor change until the transaction's end. Comes after the organisation's lock, where an effect
    takes that, and before other locks: whoever takes a role away has the organisation first, then the person.
    Raises `InvalidToken`.
    """
    if principal.org_id == org_id:
        await _hold(tx, principal)
        return
    async with working_for(tx, principal.org_id):
        await _hold(tx, principal)


async def _hold(tx: Connection, principal: Principal) -> None:
    person = await hold_person(tx, principal.user_id)
    if person is None or not person.is_present or not await _still_holds(tx, principal, person):
        raise InvalidToken


async def lock_office(tx: Connection, principal: Principal, org_id: int) -> Organisation | None:
    """The organisation, its domains and its admins, until the transaction's end changed by nobody but this caller.

    Raises `InvalidToken` when they may no more.
    """
    organisation = await organisations.lock_organisation(tx, org_id)
    await hold_caller(tx, principal, org_id)
    return organisation


async def lock_person(tx: Connection, principal: Principal, org_id: int, user_id: int) -> Person | None:
    """A person, below the lock of their organisation's office. Raises `InvalidToken`."""
    await lock_office(tx, principal, org_id)
    return await find_person(tx, user_id, locked=True)


async def _still_holds(tx: Connection, principal: Principal, person: Person) -> bool:
    is_old = principal.kind != API_KEY and principal.generation < person.generation
    if is_old or person.role != principal.role_id or not await _is_there(tx, principal):
        return False
    return await hold_credential(tx, principal.jti)


async def _is_there(tx: Connection, principal: Principal) -> bool:
    kind, _, number = (principal.client_id or "").partition(":")
    return kind not in _HOLDERS or await _HOLDERS[kind](tx, int(number))


def end_for(principal: Principal, wanted: int | None, now: datetime, invalid: str, life: int | None = None) -> datetime:
    """When what this caller makes ends; `life` are the seconds it lasts at most, else a year. Raises `InvalidData`."""
    longest = int(LONGEST_CREDENTIAL.total_seconds())
    present = int(now.timestamp())
    latest = present + (longest if life is None else min(life, longest))
    own_end = None if principal.kind == SESSION else principal.expires_at
    return datetime.fromtimestamp(end_of_life(wanted, present, latest, own_end, invalid), UTC)
