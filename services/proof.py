"""`python -m services proof`: the books of recognition and quota, checked now in every organisation."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import asyncpg
from environs import Env

from services.catalogue import SUBSCRIPTIONS
from services.connections import SERVICE_NAMES, Addresses, addresses
from services.quota import proof as quota
from services.recognition import proof as recognition
from shared.database import begin_statement
from shared.proof import Invariant, prove

Admin: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

LEDGER = "I6"
LEDGER_NAME = "The ledger's allowances are recognition's, state by state"
SECONDS = 60
WAITING = 3
"""How the command ends when nothing is broken, but not all could be judged."""

_UNDER_WAY = """
SELECT org_id FROM {publisher}.outbox AS event WHERE type = ANY($1) AND NOT EXISTS (
    SELECT FROM {service}.inbox_positions AS known
    WHERE known.publisher = '{publisher}' AND known.type = event.type AND known.positions @> event.position
        AND known.epoch = (SELECT epoch FROM {publisher}.outbox_epoch)
)
"""
_COUNTED = """
SELECT count(*) FILTER (WHERE org_id = $2) AS ours, count(*) AS events,
    (SELECT count(*) FROM {service}.parked WHERE waits_for IS NULL) AS failing
FROM ({under_way}) AS event
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one invariant says of one organisation; `waits` when events that are still on their way may make it hold."""

    org_id: int
    service: str
    id: str
    name: str
    holds: bool
    result: str
    waits: bool = False

    @property
    def verdict(self) -> str:
        return "holds" if self.holds else "waits" if self.waits else "BROKEN"


@dataclass(frozen=True, slots=True)
class OnTheirWay:
    """Events that a service has not had yet: of one organisation, of all; and parked ones that wait for none."""

    ours: int
    events: int
    failing: int

    def excuse(self, id_: str, counted: Mapping[str, int]) -> bool:
        """Whether all that was counted may be gone when these have come."""
        if id_ in ("I6", "I9"):
            return self.ours > 0
        parked = self.events > 0 and not self.failing
        return id_ == "I8" and all(name == "unsent" or (name == "parked" and parked) for name in counted)


async def findings(where: Addresses) -> list[Finding]:
    """All invariants of all organisations. Raises what asyncpg raises."""
    admin = await asyncpg.connect(where.admin, timeout=10, command_timeout=SECONDS)
    try:
        ids = [row["id"] for row in await admin.fetch("SELECT id FROM auth.organisations WHERE id > 0 ORDER BY id")]
        return [finding for org_id in ids for finding in await _of_organisation(admin, where, org_id)]
    finally:
        await admin.close(timeout=5)


async def _of_organisation(admin: Admin, where: Addresses, org_id: int) -> list[Finding]:
    recognition_rows, ours = await _ask(where, "recognition", org_id, recognition.INVARIANTS, recognition.STATE)
    quota_rows, theirs = await _ask(where, "quota", org_id, quota.INVARIANTS, quota.STATE)
    compared = Finding(org_id, "both", LEDGER, LEDGER_NAME, ours == theirs, f"{ours[:12]} = {theirs[:12]}")
    return [
        *[one async for one in _findings(admin, "recognition", org_id, recognition_rows)],
        *[one async for one in _findings(admin, "quota", org_id, quota_rows)],
        compared if compared.holds else await _excused(admin, compared, "quota", {}),
    ]


async def _findings(admin: Admin, service: str, org_id: int, rows: list[dict[str, Any]]) -> AsyncIterator[Finding]:
    for row in rows:
        counted = row["result"]
        said = ", ".join(f"{name} {value}" for name, value in counted.items())
        found = Finding(org_id, service, row["id"], row["name"], row["holds"], said)
        yield found if found.holds else await _excused(admin, found, service, counted)


async def _excused(admin: Admin, found: Finding, service: str, counted: Mapping[str, int]) -> Finding:
    under_way = await on_their_way(admin, service, found.org_id)
    return replace(found, waits=under_way.excuse(found.id, {name: count for name, count in counted.items() if count}))


async def on_their_way(admin: Admin, service: str, org_id: int) -> OnTheirWay:
    """What the others have written for this service and it has not had, by the positions that it knows."""
    parts = (_UNDER_WAY.format(publisher=publisher, service=service) for publisher in SERVICE_NAMES)
    query = _COUNTED.format(service=service, under_way=" UNION ALL ".join(parts))
    row = await admin.fetchrow(query, list(SUBSCRIPTIONS[service]), org_id)
    return OnTheirWay(**dict(row or {}))


async def _ask(
    where: Addresses, service: str, org_id: int, invariants: Sequence[Invariant], state: str
) -> tuple[list[dict[str, Any]], str]:
    connection = await asyncpg.connect(
        where.services[service], timeout=10, command_timeout=SECONDS, server_settings={"search_path": service}
    )
    try:
        await connection.execute(begin_statement(org_id, read_only=True))
        return await prove(connection, invariants), str(await connection.fetchval(state))
    finally:
        await connection.close(timeout=5)


def main(argv: Sequence[str]) -> int:
    """Prints one line for each; 1 when any is broken, 3 when any waits."""
    argparse.ArgumentParser(
        prog="python -m services proof",
        description="Checks the invariants of recognition and quota in every organisation. Exit code 1 when one is "
        "broken; 3 when none is, but some wait for events that are still on their way, as an import's are for minutes. "
        "Running requests may show as differences that are gone a moment later.",
    ).parse_args(argv)

    async def work() -> list[Finding]:
        async with addresses(Env()) as where:
            return await findings(where)

    found = asyncio.run(work())
    for one in found:
        sys.stdout.write(f"{one.verdict:<6} {one.org_id:>6} {one.service:<12} {one.id:<4} {one.name}: {one.result}\n")
    holds, waits = sum(one.holds for one in found), sum(one.waits for one in found)
    broken = len(found) - holds - waits
    sys.stdout.write(f"{holds} hold, {waits} wait, {broken} broken\n")
    return 1 if broken else WAITING if waits else 0
