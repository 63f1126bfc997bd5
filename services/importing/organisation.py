"""The organisation that an import is for, and the databases that it goes to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from services.auth.store import organisations
from services.connections import Addresses
from services.importing.core_values import CoreValues
from services.importing.kinds import Kind
from services.importing.outcome import Importer
from services.importing.people import People
from services.importing.recognitions import Recognitions
from services.importing.table import Unusable
from shared.clock import Clock
from shared.database import Connection, Database
from shared.identity.principal import SYSTEM_ORGANISATION

STATEMENT_TIMEOUT = "30s"
MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Organisation:
    """An organisation that is there; `domains` as DNS spells them."""

    id: int
    name: str
    domains: Sequence[str]


@dataclass(frozen=True, slots=True)
class Databases:
    """Each service's own, entered with its own role."""

    auth: Database
    recognition: Database

    def importer(self, kind: Kind, organisation: Organisation, clock: Clock) -> Importer:
        match kind.name:
            case "people":
                return People(self.auth, organisation.id, organisation.domains, clock)
            case "core values":
                return CoreValues(self.recognition, organisation.id)
            case "recognitions":
                return Recognitions(self.auth, self.recognition, organisation.id, clock)


@asynccontextmanager
async def connected(where: Addresses) -> AsyncIterator[Databases]:
    """Raises what asyncpg raises."""
    async with AsyncExitStack() as stack:
        opened = {}
        for service in ("auth", "recognition"):
            opened[service] = await Database.connect(
                where.services[service],
                schema=service,
                size=1,
                application_name="peerly import",
                statement_timeout=STATEMENT_TIMEOUT,
            )
            stack.push_async_callback(opened[service].close)
        yield Databases(**opened)


async def find(auth: Database, org_id: int) -> Organisation:
    """Raises `Unusable` naming the organisations that there are."""
    if org_id != SYSTEM_ORGANISATION:
        async with auth.transaction(org_id, read_only=True) as tx:
            found = await organisations.find_organisation(tx, org_id)
            if found is not None:
                return Organisation(org_id, found.name, await organisations.domains_of(tx, org_id))
    async with auth.transaction(SYSTEM_ORGANISATION, read_only=True) as tx:
        raise Unusable(f"There is no organisation {org_id}. {await _there_are(tx)}")


async def _there_are(tx: Connection) -> str:
    rows = await tx.fetch("SELECT id, name FROM organisations WHERE id > 0 ORDER BY id LIMIT $1", MOST_NAMED)
    if not rows:
        return "There is none yet: make one with POST /organisations first."
    return "Give one of these: " + ", ".join(f"{row['id']} ({row['name']})" for row in rows)
