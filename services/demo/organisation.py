"""The demo organisation, its people, and who of them can sign in with a password."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from services.auth.commands.endings import Ending
from services.auth.commands.imports import find_people
from services.auth.commands.organisations import DomainTaken, create_organisation
from services.auth.commands.passwords import set_password
from services.auth.commands.people import Enrolment, enrol_people
from services.auth.domain.names import domain_of
from services.auth.domain.profiles import profile_of_names
from services.auth.hashing import Hasher
from services.auth.store.credentials import password_hash
from services.auth.store.tenants import organisation_of_domain, working_for
from services.demo.content import ADMIN, COLLEAGUES, DOMAIN, EMPLOYEE, SETTINGS, Colleague
from services.demo.stage import Stage, acting
from shared.database import Connection
from shared.identity import Principal

LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
GROUPS, GROUP = 4, 5


@dataclass(frozen=True, slots=True)
class Account:
    """How somebody signs in; the password is kept nowhere else."""

    email: str
    password: str


@dataclass(frozen=True, slots=True)
class Accounts:
    admin: Account
    employee: Account


@dataclass(frozen=True, slots=True)
class Cast:
    """The organisation and its people as services see them."""

    org_id: int
    people: Mapping[Colleague, Principal]


async def gather(stage: Stage) -> Cast | None:
    """The organisation with its people, made when it is not there; nobody once its admin can sign in."""
    try:
        async with stage.auth.transaction() as tx:
            await _begin(stage, tx)
    except DomainTaken:
        return await _unfinished(stage)
    return await _unfinished(stage)


async def _begin(stage: Stage, tx: Connection) -> None:
    now = stage.clock()
    made = await create_organisation(tx, SETTINGS, [domain_of(DOMAIN)], now)
    async with working_for(tx, made.id):
        await enrol_people(tx, [_enrolment(one) for one in COLLEAGUES], now)


def _enrolment(one: Colleague) -> Enrolment:
    return Enrolment(one.email, profile_of_names(one.first_name, one.last_name), one.role)


async def _unfinished(stage: Stage) -> Cast | None:
    """Nobody also where the domain belongs to an organisation that is not the demo's, or to one that is not active."""
    async with stage.auth.connection() as connection:
        org_id = await organisation_of_domain(connection, DOMAIN)
    if org_id is None:
        return None
    async with stage.auth.transaction(org_id, read_only=True) as tx:
        known = await find_people(tx, {one.email for one in COLLEAGUES})
        if len(known) < len(COLLEAGUES) or await password_hash(tx, known[ADMIN.email].user_id) is not None:
            return None
    people = {one: acting(known[one.email].user_id, org_id, one.role) for one in COLLEAGUES}
    return Cast(org_id, people)


async def open_accounts(stage: Stage, cast: Cast) -> Accounts:
    """Passwords for the admin and an employee, as the last step: from now on the demo is complete."""
    accounts = Accounts(Account(ADMIN.email, _password()), Account(EMPLOYEE.email, _password()))
    hashes = await _hashes([accounts.admin.password, accounts.employee.password])
    async with stage.auth.transaction(cast.org_id) as tx:
        for one, hashed in zip((ADMIN, EMPLOYEE), hashes, strict=True):
            await set_password(tx, cast.people[one].user_id, hashed, stage.clock(), Ending())
    stage.wake()
    return accounts


def _password() -> str:
    """About a hundred bits, easy to read out and to paste into a shell."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(GROUP)) for _ in range(GROUPS))


async def _hashes(passwords: list[str]) -> list[str]:
    hasher = Hasher()
    try:
        hashes = []
        for password in passwords:
            async with hasher.place():
                hashes.append(await hasher.hash(password))
        return hashes
    finally:
        hasher.close()
