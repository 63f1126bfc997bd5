"""Identity providers are trusted, changed, and trusted no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from services.auth.commands.clients import end_clients
from services.auth.commands.endings import Ending
from services.auth.domain.names import domain_of
from services.auth.store import organisations
from services.auth.store import providers as rows
from services.auth.store.providers import IdentityProvider, client_id_of_provider
from shared import outbox
from shared.contracts.providers import IdentityProviderChanged, ProviderState
from shared.database import Connection
from shared.errors import Conflict, InvalidData
from shared.identity.external_records import keep_provider

INVALID = "Invalid identity provider data"
MOST_PROVIDERS = 20


class ProviderTaken(Conflict):
    """The organisation has one with this issuer and audience; what others trust, no answer tells."""

    def __init__(self) -> None:
        super().__init__(
            "The organisation has an identity provider with this issuer and audience already",
            fields={"audience": "Is another one's with this issuer."},
        )


async def add_provider(tx: Connection, wanted: Mapping[str, Any], now: datetime) -> int:
    """Trusts a provider from now on; its keys are fetched in a moment. Raises `Conflict`."""
    if await rows.count_providers(tx) >= MOST_PROVIDERS:
        raise Conflict(f"An organisation has at most {MOST_PROVIDERS} identity providers")
    added = await rows.add_provider(tx, wanted, now)
    if added is None:
        raise ProviderTaken
    await tell(tx, added)
    return added.id


async def change_provider(
    tx: Connection, present: IdentityProvider, wanted: Mapping[str, Any], now: datetime, ending: Ending
) -> None:
    """Sets what is named, except for the issuer, which makes it what it is. Raises `Conflict` and `InvalidData`."""
    if wanted.get("issuer", present.issuer) != present.issuer:
        raise InvalidData(INVALID, fields={"issuer": "Stays as it is: another issuer is another provider."})
    changed = replace(present, **wanted)
    if changed == present:
        return
    try:
        changed = await rows.change_provider(tx, changed, now)
    except asyncpg.UniqueViolationError:
        raise ProviderTaken from None
    ending.events += await tell(tx, changed)


async def remove_provider(tx: Connection, provider: IdentityProvider, now: datetime, ending: Ending) -> None:
    """Refuses its tokens and what was made with them, and forgets its identities."""
    ending.events += await tell(tx, provider, "removed")
    await rows.remove_provider(tx, provider.id)
    await end_clients(tx, [client_id_of_provider(provider.id)], now, ending)


async def tell_all(tx: Connection) -> None:
    """The organisation's name or domains are others now."""
    for provider in await rows.lock_providers(tx):
        await tell(tx, provider)


async def tell(tx: Connection, provider: IdentityProvider, state: ProviderState = "trusted") -> list[UUID]:
    """Tells everybody, this service included, the present state of a provider. Returns the event's id."""
    organisation = await organisations.find_organisation(tx, provider.org_id)
    if organisation is None:
        raise LookupError("a provider's organisation is not there")
    fetched = provider.fetched_at
    changed = IdentityProviderChanged(
        provider_id=provider.id,
        organisation_id=provider.org_id,
        organisation_name=organisation.name,
        domains=_spellings(await organisations.domains_of(tx, provider.org_id)),
        issuer=provider.issuer,
        audience=provider.audience,
        email_claim=provider.email_claim,
        keys=provider.keys if state == "trusted" else (),
        state=state,
        fetched_at=None if fetched is None else int(fetched.timestamp() * 1000),
        version=provider.told + 1,
    )
    await rows.mark_told(tx, provider.id, changed.version)
    await keep_provider(tx, changed)
    return await outbox.append(tx, changed)


def _spellings(keys: list[str]) -> tuple[str, ...]:
    """Domains as DNS has them and as people write them: both are exact."""
    return tuple(dict.fromkeys(spelling for key in keys for spelling in (key, domain_of(key).spelling)))
