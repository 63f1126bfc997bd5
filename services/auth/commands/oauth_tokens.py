"""Applications get tokens, renew and end them."""

from __future__ import annotations

import secrets
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from services.auth.commands.endings import Ending
from services.auth.domain.oauth import (
    ACCESS_LASTS,
    CODE_LASTS,
    FAMILY_LASTS,
    REFRESH_LASTS,
    InvalidGrant,
    InvalidScope,
    OAuthError,
    held_by,
    narrowed,
    proves,
)
from services.auth.domain.people import Person
from services.auth.store import oauth_grants as rows
from services.auth.store import people
from services.auth.store.oauth_clients import Client, secret_hash
from services.auth.store.oauth_grants import Family, Grant, LiveToken
from services.auth.store.organisations import find_organisation
from services.auth.tokens import Narrowing, Owner, Signed, Signer
from shared.clock import Clock
from shared.database import Connection
from shared.identity.claims import ACCESS_TOKEN

MOST_LIVE = 20
"""Access tokens of one family; one more ends the oldest, so that ending a family stays a small thing."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What an application is given."""

    access_token: str
    scopes: frozenset[str]
    refresh_token: str | None = None


@dataclass(frozen=True, slots=True)
class Redemption:
    """A code with what proves that it came to who asked for it."""

    code: str
    redirect_uri: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Giving:
    """One request for tokens: the transaction, who asks, and what it is answered with."""

    tx: Connection
    client: Client
    signer: Signer
    clock: Clock
    ending: Ending

    async def redeem(self, redemption: Redemption) -> Tokens | InvalidGrant:
        """The first tokens for a code, once. Whoever comes again ends what was given, which has to be committed."""
        grant, family = await self._family(redemption.code)
        if not family.by_code:
            raise InvalidGrant
        if family.redeemed:
            return await self._end(family)
        if self.clock() >= family.created_at + CODE_LASTS or redemption.redirect_uri != family.redirect_uri:
            raise InvalidGrant
        if not proves(redemption.verifier, family.challenge):
            raise InvalidGrant("The code_verifier does not fit the code_challenge")
        person = await self._person(grant, family)
        await rows.mark_redeemed(self.tx, family.id)
        return await self._give(person, family, held_by(person.role, family.scopes & self.client.scopes))

    async def refresh(self, token: str, scope: str | None) -> Tokens | InvalidGrant:
        """New tokens for a refresh token, once. Whoever comes again ends the family, which has to be committed."""
        grant, family = await self._family(token)
        if family.refresh_expires_at is None:
            raise InvalidGrant
        if family.refresh_used:
            return await self._end(family)
        if family.ended or self.clock() >= family.refresh_expires_at:
            raise InvalidGrant
        person = await self._person(grant, family)
        scopes = narrowed(scope, held_by(person.role, family.scopes & self.client.scopes))
        await rows.mark_used(self.tx, secret_hash(token))
        return await self._give(person, family, scopes)

    async def for_itself(self, scope: str | None) -> Tokens:
        """A token in the name of who got the application's secret. Raises `OAuthError`."""
        if not self.client.is_confidential:
            raise OAuthError("unauthorized_client", "A public application has no rights of its own")
        person = await people.find_person(self.tx, self.client.acts_for)
        if person is None or not person.is_present:
            raise OAuthError("unauthorized_client", "Who registered the application is gone; rotate its secret")
        scopes = narrowed(scope, held_by(person.role, self.client.scopes))
        return Tokens((await self._sign(person, scopes)).token, scopes)

    async def end(self, token: str) -> bool:
        """Ends the family of a refresh token of this application; tells whether it was one."""
        try:
            _, family = await self._family(token)
        except InvalidGrant:
            return False
        if family.refresh_expires_at is None:
            return False
        await self._end(family)
        return True

    async def _family(self, secret: str) -> tuple[Grant, Family]:
        found = await rows.lock_family(self.tx, secret_hash(secret))
        if found is None or found[0].application != self.client.id:
            raise InvalidGrant
        return found

    async def _person(self, grant: Grant, family: Family) -> Person:
        person = await people.find_person(self.tx, grant.user_id)
        if person is None or not person.is_present or person.generation != family.generation:
            raise InvalidGrant("Who allowed this has left, or signs in with another password or role by now")
        return person

    async def _give(self, person: Person, family: Family, scopes: AbstractSet[str]) -> Tokens:
        now, refresh_token = self.clock(), secrets.token_urlsafe(32)
        signed = await self._sign(person, scopes)
        expires_at = min(now + REFRESH_LASTS, family.created_at + FAMILY_LASTS)
        await rows.add_refresh_token(self.tx, family.id, secret_hash(refresh_token), now, expires_at)
        await rows.add_access_token(self.tx, family.id, LiveToken(signed.jti, now + ACCESS_LASTS))
        oldest = await rows.take_access_tokens(self.tx, family.id, but=MOST_LIVE)
        # An ending of its own: nobody waits for the broker, and fresh tokens are not lost to one that is away.
        await refuse(self.tx, oldest, now, Ending())
        return Tokens(signed.token, frozenset(scopes), refresh_token)

    async def _sign(self, person: Person, scopes: AbstractSet[str]) -> Signed:
        if not scopes:
            raise InvalidScope("None of the scopes is left to the person")
        organisation = await find_organisation(self.tx, person.org_id)
        if organisation is None or not organisation.is_active:
            raise InvalidGrant("The organisation is not active")
        owner = Owner(person.id, person.org_id, organisation.name, int(person.role), person.generation)
        narrowing = Narrowing(ACCESS_TOKEN, scopes, self.client.client_id)
        return await self.signer.sign_narrowed(self.tx, owner, narrowing, self.clock() + ACCESS_LASTS)

    async def _end(self, family: Family) -> InvalidGrant:
        if not family.ended:
            await end_family(self.tx, family.id, self.clock(), self.ending)
        return InvalidGrant("It was used before; everything that was given for it has ended")


async def end_family(tx: Connection, family_id: int, now: datetime, ending: Ending) -> None:
    """Its refresh tokens are used up, its access tokens refused."""
    await rows.end_family(tx, family_id)
    await refuse(tx, await rows.take_access_tokens(tx, family_id), now, ending)


async def refuse(tx: Connection, tokens: list[LiveToken], now: datetime, ending: Ending) -> None:
    """Ends access tokens that may still be valid."""
    for token in tokens:
        if token.expires_at > now:
            await ending.of_credential(tx, token.jti, int(token.expires_at.timestamp()))


async def end_grant(tx: Connection, grant: Grant, now: datetime, ending: Ending) -> None:
    """The person allows the application nothing any more."""
    for family_id in await rows.families_of(tx, grant.id):
        await end_family(tx, family_id, now, ending)
    await rows.remove_grant(tx, grant.id)
