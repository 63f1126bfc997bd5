"""Somebody signs in at a browser and allows an application something."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from services.auth.domain.oauth import OAuthError, held_by, is_challenge, is_state, narrowed
from services.auth.domain.people import Person
from services.auth.store import oauth_grants as rows
from services.auth.store import people
from services.auth.store.oauth_clients import Client, secret_hash
from services.auth.store.oauth_grants import NewCode
from shared.database import Connection


@dataclass(frozen=True, slots=True)
class Asked:
    """What an application asks for, checked against its registration."""

    redirect_uri: str
    scopes: frozenset[str]
    state: str | None
    challenge: str
    anew: bool

    def offered_by(self, person: Person) -> frozenset[str]:
        """What of it this person can allow."""
        return held_by(person.role, self.scopes)


def asked_of(client: Client, query: Mapping[str, str]) -> Asked:
    """What a request asks for that has named its application and one of its addresses. Raises `OAuthError`."""
    kind, challenge = query.get("response_type"), query.get("code_challenge", "")
    if kind is None:
        raise OAuthError("invalid_request", "response_type is missing; it has to be code")
    if kind != "code":
        raise OAuthError("unsupported_response_type", "Only the response_type code is given here")
    if "state" in query and not is_state(query["state"]):
        raise OAuthError("invalid_request", "state must have at most 1000 printable ASCII characters")
    if query.get("code_challenge_method") != "S256" or not is_challenge(challenge):
        raise OAuthError("invalid_request", "PKCE is required: a code_challenge with the code_challenge_method S256")
    scopes = narrowed(query.get("scope"), client.scopes)
    anew = query.get("prompt") == "consent"
    return Asked(query["redirect_uri"], scopes, query.get("state"), challenge, anew)


async def sign_in(tx: Connection, person: Person, now: datetime) -> str:
    """A cookie that stands for this person in one browser for a quarter of an hour."""
    token = new_cookie()
    await rows.add_sign_in(tx, secret_hash(token), person.id, person.generation, now)
    return token


def new_cookie() -> str:
    return secrets.token_urlsafe(32)


async def signed_in(tx: Connection, cookie: str | None, now: datetime) -> Person | None:
    """Whose cookie this is: present, and with the password and role of then."""
    found = None if cookie is None else await rows.find_sign_in(tx, secret_hash(cookie), now)
    if found is None:
        return None
    user_id, generation = found
    person = await people.find_person(tx, user_id)
    return person if person is not None and person.is_present and person.generation == generation else None


async def sign_out(tx: Connection, cookie: str) -> None:
    await rows.remove_sign_in(tx, secret_hash(cookie))


async def is_allowed(tx: Connection, client: Client, person: Person, asked: Asked, *, locked: bool = False) -> bool:
    """Whether the person has allowed all of this before, to an application of this name and these addresses.

    If `locked`, it stays so until the transaction's end. Behind a public application's id might be another one.
    """
    if asked.anew or not client.is_confidential:
        return False
    grant = await rows.find_grant(tx, person.id, client.id, locked=locked)
    if grant is None or grant.consent_version != client.consent_version:
        return False
    return asked.offered_by(person) <= grant.scopes


async def allow(tx: Connection, client: Client, person: Person, asked: Asked, now: datetime) -> str:
    """Remembers what the person allows; a code for it."""
    offered = asked.offered_by(person)
    code = secrets.token_urlsafe(32)
    grant_id = await rows.allow(tx, person.id, client, offered, now)
    bound = NewCode(secret_hash(code), asked.redirect_uri, asked.challenge, offered, person.generation)
    await rows.add_code(tx, grant_id, bound, now)
    return code
