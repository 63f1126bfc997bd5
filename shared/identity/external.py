"""Verifies the tokens of organisations' identity providers in memory, and finds out whose they are.

Neither a network nor a database is on the way of a token that was here before. The service's own tables are asked when
one is new here, or was revoked; what they cannot answer, auth is asked by an event, and the caller to come again in a
second. Whom a token speaks of is looked up again beside the requests, once a minute while it is used.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from shared import outbox
from shared.clock import Clock
from shared.contracts import Event
from shared.contracts.providers import ExternalIdentitySeen, ProviderKeysRequested
from shared.database import DATABASE_IS_AWAY, Connection, Database
from shared.errors import InvalidToken, Unavailable
from shared.identity.claims import LEEWAY
from shared.identity.external_claims import (
    EXTERNAL,
    Identity,
    Provider,
    identity_of,
    is_signed,
    key_named,
    named_by,
    provider_named,
)
from shared.identity.external_records import Linked, LinkedOf, changed_providers, provider_of
from shared.identity.principal import Principal
from shared.identity.roles import PERMISSIONS, Role
from shared.identity.verifier import Verifier

EVER = datetime(2000, 1, 1, tzinfo=UTC)
OVERLAP = timedelta(seconds=10)
"""Transactions that committed late wrote rows that look older than they are."""
CACHED_TOKENS = 20_000
PERSON_SECONDS = 60
"""How old a look-up of a person gets in use; what ends their credentials is known at once all the same."""
REFUSED_SECONDS = 1
"""How long a look-up holds that found nobody who may enter."""
MOST_AT_ONCE = 50
"""So many people are looked up again in one round."""
ASKED_SECONDS = 10
MISSED_SECONDS = 60
"""How long a missing key is remembered; after that it may have come."""
MOST_REMEMBERED = 10_000
COMING = "Whose token this is, is being found out; send the same request again in a second"


@dataclass(frozen=True, slots=True)
class _Verified:
    """A token that was verified with this version of its provider."""

    provider: Provider
    identity: Identity
    principal: Principal | None = None
    looked_up: float = 0.0


class ExternalTokens:
    """Turns a provider's token into a `Principal`, or refuses it."""

    def __init__(
        self,
        service: str,
        database: Database,
        verifier: Verifier,
        *,
        linked_of: LinkedOf,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        self._service = service
        self._database = database
        self._verifier = verifier
        self._linked_of = linked_of
        self._clock = clock
        self._wake = wake
        self._read_until = EVER
        self._providers: dict[int, Provider] = {}
        self._named: dict[tuple[str, str], list[Provider]] = {}
        self._verified: OrderedDict[bytes, _Verified] = OrderedDict()
        self._stale: dict[bytes, _Verified] = {}
        self._missed = _Moments()
        self._asked = _Moments()

    async def read_changes(self, connection: Connection) -> None:
        """What changed since the last read, with an overlap; tokens of changed providers are verified anew."""
        rows = await changed_providers(connection, self._read_until - OVERLAP)
        for row in rows:
            known = self._providers.get(row["provider_id"])
            if row["removed"]:
                self._providers.pop(row["provider_id"], None)
            elif known is None or known.version < row["version"]:
                self._providers[row["provider_id"]] = provider_of(row)
        self._named = {}
        for _, one in sorted(self._providers.items()):
            self._named.setdefault((one.issuer, one.audience), []).append(one)
        self._read_until = max([self._read_until, *(row["changed_at"] for row in rows)])

    async def verify(self, token: str) -> Principal:
        """The person whom a valid token speaks of. Raises `InvalidToken`, and `Unavailable` while that is unknown."""
        if not self._named:
            raise InvalidToken
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        verified = await self._trusted(token, digest)
        now = self._clock().timestamp()
        if now >= verified.identity.expires_at + LEEWAY.total_seconds():
            raise InvalidToken
        age = now - verified.looked_up
        principal = verified.principal
        if principal is None and age < REFUSED_SECONDS:
            raise InvalidToken
        if principal is None or self._verifier.is_outdated(principal):
            principal = await self._look_up_now(digest, verified)
        elif age >= PERSON_SECONDS:
            self._stale[digest] = verified
        if self._verifier.refuses(principal):
            raise InvalidToken
        return principal

    async def look_up_again(self) -> None:
        """Looks people up whose tokens are in use and whose look-up is old; one who is gone is refused from then on.

        Raises `Unavailable`; those who are left come again with their next request.
        """
        stale, self._stale = list(self._stale.items())[:MOST_AT_ONCE], {}
        for digest, verified in stale:
            with suppress(InvalidToken):
                await self._look_up_now(digest, verified)

    async def _look_up_now(self, digest: bytes, verified: _Verified) -> Principal:
        try:
            principal = await self._look_up(verified)
        except InvalidToken:
            self._remember(digest, verified, None)
            raise
        self._remember(digest, verified, principal)
        return principal

    def _remember(self, digest: bytes, verified: _Verified, principal: Principal | None) -> None:
        found = replace(verified, principal=principal, looked_up=self._clock().timestamp())
        self._verified[digest] = found
        self._verified.move_to_end(digest)
        if len(self._verified) > CACHED_TOKENS:
            self._verified.popitem(last=False)

    async def _trusted(self, token: str, digest: bytes) -> _Verified:
        known = self._verified.get(digest)
        if known is not None and self._providers.get(known.provider.id) is known.provider:
            return known
        named = named_by(token)
        trusted = self._named.get((named.issuer, named.audience))
        if trusted is None:
            raise InvalidToken
        provider = provider_named(token, trusted)
        key = key_named(provider, named)
        if key is None or (named.key_id is None and not is_signed(token, key)):
            await self._miss(provider, named.key_id or digest)
        if named.algorithm != key.algorithm or not is_signed(token, key):
            raise InvalidToken
        return _Verified(provider, identity_of(token, provider, self._clock()))

    async def _miss(self, provider: Provider, key: Hashable) -> NoReturn:
        """A key that no later look at the provider has found is none; else auth is asked to look."""
        now = self._clock().timestamp()
        missed_at = self._missed.first((provider.id, key), now, MISSED_SECONDS)
        if provider.fetched_at > missed_at:
            raise InvalidToken
        await self._ask(provider, provider.id, ProviderKeysRequested(publisher=self._service, provider_id=provider.id))
        raise Unavailable(COMING)

    async def _look_up(self, verified: _Verified) -> Principal:
        provider, identity = verified.provider, verified.identity
        linked = await self._linked(provider, identity)
        if linked is None or linked.user_id is None:
            await self._ask(provider, (provider.id, identity.subject), self._seen(identity))
        if linked is None or (linked.user_id is not None and not linked.known):
            raise Unavailable(COMING)
        if linked.user_id is None or not linked.active:
            raise InvalidToken
        return _principal(provider, identity, linked, linked.user_id)

    async def _linked(self, provider: Provider, identity: Identity) -> Linked | None:
        try:
            async with self._database.transaction(provider.organisation_id, read_only=True) as tx:
                return await self._linked_of(tx, provider.id, identity.subject)
        except DATABASE_IS_AWAY:
            raise Unavailable from None

    def _seen(self, identity: Identity) -> ExternalIdentitySeen:
        return ExternalIdentitySeen(
            publisher=self._service,
            provider_id=identity.provider_id,
            sub=identity.subject,
            email=identity.email,
            **identity.names,
        )

    async def _ask(self, provider: Provider, about: Hashable, question: Event) -> None:
        """Asks auth by an event, once in a while about the same."""
        if not self._asked.begins(about, self._clock().timestamp(), ASKED_SECONDS):
            return
        try:
            async with self._database.transaction(provider.organisation_id) as tx:
                await outbox.append(tx, question)
        except DATABASE_IS_AWAY:
            self._asked.forget(about)
            raise Unavailable from None
        self._wake()


class _Moments:
    """When something was first noticed; forgotten after a while, the oldest first when there are too many."""

    def __init__(self) -> None:
        self._at: OrderedDict[Hashable, float] = OrderedDict()

    def begins(self, what: Hashable, now: float, lasts: float) -> bool:
        """Whether it was not noticed within the last seconds; if so, it is now."""
        at = self._at.get(what)
        if at is not None and now - at < lasts:
            return False
        self._at[what] = now
        self._at.move_to_end(what)
        if len(self._at) > MOST_REMEMBERED:
            self._at.popitem(last=False)
        return True

    def first(self, what: Hashable, now: float, lasts: float) -> float:
        """The moment it was noticed within the last seconds; now, if it was not."""
        self.begins(what, now, lasts)
        return self._at[what]

    def forget(self, what: Hashable) -> None:
        self._at.pop(what, None)


def _principal(provider: Provider, identity: Identity, linked: Linked, user_id: int) -> Principal:
    return Principal(
        user_id=user_id,
        org_id=provider.organisation_id,
        org_name=provider.organisation_name,
        role_id=linked.role_id,
        permissions=PERMISSIONS[Role(linked.role_id)],
        kind=EXTERNAL,
        jti=identity.jti,
        generation=linked.generation,
        expires_at=identity.expires_at,
        client_id=f"provider:{provider.id}",
    )
