"""Local passwords: checked within limits, set by a one-time link or by their owner."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address

from services.auth.commands.endings import Ending
from services.auth.domain.names import fold_email
from services.auth.domain.passwords import weakness
from services.auth.domain.people import Person
from services.auth.hashing import Hasher, common_passwords
from services.auth.store import credentials, tenants
from services.auth.store import organisations as organisation_rows
from services.auth.store import people as rows
from services.auth.store.credentials import Verdict, account_hash
from services.auth.store.organisations import Organisation
from shared import history, outbox
from shared.clock import Clock
from shared.contracts.auth import UserChanged
from shared.database import Connection, Database
from shared.errors import InvalidData, InvalidToken, RateLimited

LINK_LASTS = timedelta(hours=24)
BUSY_SECONDS = 2.0
BUSY_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Guess:
    """A password that somebody at an address offers for an account."""

    email: str
    password: str
    address: str

    @property
    def account(self) -> bytes:
        return account_hash(fold_email(self.email))

    @property
    def network(self) -> str:
        """The address as limits count it: an IPv6 customer has 2^64 of them."""
        try:
            address = ip_address(self.address)
        except ValueError:
            return self.address
        if not isinstance(address, IPv6Address):
            return str(address)
        return str(address.ipv4_mapped or IPv6Network((address, 64), strict=False))


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Somebody whose password was right, and the hash that said so."""

    person: Person
    organisation: Organisation
    hashed: str


class WrongLink(InvalidData):
    """The link was never given, was used, was replaced, or is over."""

    def __init__(self) -> None:
        wrong = "This link is not valid any more; ask an admin for a new one."
        super().__init__("Invalid password data", fields={"token": wrong})


def check_new_password(password: str, field: str) -> None:
    """Raises `InvalidData` naming the field."""
    wrong = weakness(password, common_passwords())
    if wrong is not None:
        raise InvalidData("Invalid password data", fields={field: wrong})


async def check_password(database: Database, hasher: Hasher, clock: Clock, guess: Guess) -> SignedIn | None:
    """Whose account and password this is; nobody when either is wrong, after the same work.

    Raises `RateLimited` before the password is looked at, `Unavailable` when too many wait.
    """
    deadline = asyncio.get_running_loop().time() + BUSY_SECONDS
    while True:
        async with hasher.place():
            verdict = await _begin(database, clock, guess)
            if verdict.word == "allowed":
                return await _check(database, hasher, clock, guess, verdict)
        if verdict.word == "blocked" or asyncio.get_running_loop().time() > deadline:
            raise RateLimited(verdict.retry_after or 1)
        await asyncio.sleep(BUSY_PAUSE)


async def _begin(database: Database, clock: Clock, guess: Guess) -> Verdict:
    async with database.connection() as connection:
        return await credentials.begin_attempt(connection, guess.account, guess.network, clock())


async def _check(database: Database, hasher: Hasher, clock: Clock, guess: Guess, verdict: Verdict) -> SignedIn | None:
    async with database.connection() as connection:
        account = await tenants.account_of_email(connection, fold_email(guess.email))
    async with database.transaction(account.org_id, read_only=True) as tx:
        person = await rows.find_person(tx, account.user_id)
        organisation = await organisation_rows.find_organisation(tx, account.org_id)
        known = await credentials.password_hash(tx, account.user_id)
    matches = await hasher.matches(known, guess.password)
    may_enter = (
        matches and person is not None and person.is_present and organisation is not None and organisation.is_active
    )
    async with database.transaction(account.org_id) as tx:
        await credentials.end_attempt(tx, verdict.attempt, failed=not may_enter)
        if not may_enter or known is None or person is None or organisation is None:
            return None
        await credentials.know_address(tx, guess.account, guess.network, clock())
        if hasher.is_outdated(known):
            fresh = await hasher.hash(guess.password)
            known = fresh if await credentials.renew_password_hash(tx, person.id, known, fresh) else known
        return SignedIn(person, organisation, known)


async def make_password_link(tx: Connection, person: Person, made_by: int, now: datetime) -> tuple[str, datetime]:
    """A token that sets a password once within a day, and its end; older ones of this person are void."""
    token = secrets.token_urlsafe(32)
    expires_at = now + LINK_LASTS
    await credentials.keep_password_reset(tx, person.id, link_hash(token), made_by, expires_at)
    await history.record(tx, "users", person.id, "link_created")
    return token, expires_at


def link_hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


async def use_password_link(tx: Connection, token_hash: bytes, hashed: str, now: datetime, ending: Ending) -> None:
    """Sets the password of the link's person and ends their tokens. Raises `WrongLink`."""
    user_id = await credentials.find_password_reset(tx, token_hash, now)
    # The person before the link, as whatever voids links takes them.
    person = None if user_id is None else await rows.find_person(tx, user_id, locked=True)
    if person is None or not person.is_present or not await credentials.use_password_reset(tx, token_hash):
        raise WrongLink
    await history.by(tx, person.id)
    await set_password(tx, person.id, hashed, now, ending)


async def set_password(tx: Connection, user_id: int, hashed: str, now: datetime, ending: Ending) -> int:
    """A new password; all tokens of its owner end, open links are void. Returns the generation of new tokens."""
    await credentials.set_password_hash(tx, user_id, hashed, now)
    await credentials.forget_password_resets(tx, user_id)
    await history.record(tx, "users", user_id, "password_set")
    person = await rows.raise_generation(tx, user_id)
    await outbox.append(tx, person.snapshot(UserChanged))
    await ending.of_person(tx, person.id, person.generation, now)
    return person.generation


async def owner_of_token(tx: Connection, user_id: int) -> Person:
    """The person a token speaks for. Raises `InvalidToken` when they are gone."""
    person = await rows.find_person(tx, user_id)
    if person is None or not person.is_present:
        raise InvalidToken
    return person
