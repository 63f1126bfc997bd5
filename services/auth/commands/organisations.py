"""Organisations begin, change, are suspended and come back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.auth.commands import providers
from services.auth.commands.endings import Ending
from services.auth.domain.names import Domain
from services.auth.store import organisations as rows
from services.auth.store.organisations import Organisation
from services.auth.store.tenants import working_for
from shared import outbox
from shared.contracts import auth as events
from shared.database import Connection
from shared.errors import Conflict
from shared.identity.principal import SYSTEM_ORGANISATION


@dataclass(frozen=True, slots=True)
class Change:
    """The settings that are to be, by column, and whose wish it is; the domains stay when they are None."""

    settings: Mapping[str, Any]
    domains: Sequence[Domain] | None
    by: int | None = None


class DomainTaken(Conflict):
    """An e-mail domain belongs to one organisation."""

    def __init__(self, spellings: Sequence[str]) -> None:
        taken = ", ".join(spellings)
        super().__init__(
            "A domain name belongs to another organisation",
            fields={"domain_names": f"Belongs to another one: {taken}."},
        )


async def create_organisation(
    tx: Connection, settings: Mapping[str, Any], domains: Sequence[Domain], now: datetime, by: int | None = None
) -> Organisation:
    """A new organisation with its domains. Raises `DomainTaken`."""
    async with working_for(tx, SYSTEM_ORGANISATION):
        organisation = await rows.add_organisation(tx, settings)
    async with working_for(tx, organisation.id):
        await _own_domains(tx, organisation.id, domains)
        await outbox.append(tx, organisation.snapshot(events.OrganisationCreated, by))
        if not organisation.is_active:
            await Ending().of_organisation(tx, organisation, now)
    return organisation


async def change_organisation(
    tx: Connection, present: Organisation, change: Change, now: datetime, ending: Ending
) -> Organisation:
    """Sets what is named; nothing happens when it is so already. Raises `DomainTaken`."""
    if change.domains is not None and [one.key for one in change.domains] != await rows.domains_of(tx, present.id):
        await _own_domains(tx, present.id, change.domains)
    elif all(present.settings[name] == value for name, value in change.settings.items()):
        return present
    changed = await rows.change_organisation(tx, present.id, change.settings)
    await outbox.append(tx, changed.snapshot(events.OrganisationChanged, change.by))
    await providers.tell_all(tx)
    if changed.is_active is not present.is_active:
        await ending.of_organisation(tx, changed, now)
    return changed


async def has_domains(tx: Connection, org_id: int, domains: Sequence[Domain]) -> bool:
    """Whether these are the organisation's domains, in whichever order and spelling."""
    return {one.key for one in domains} == set(await rows.domains_of(tx, org_id))


async def _own_domains(tx: Connection, org_id: int, domains: Sequence[Domain]) -> None:
    taken = await rows.own_domains(tx, org_id, domains)
    if taken:
        raise DomainTaken(taken)
