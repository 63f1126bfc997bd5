"""`python -m services proof`: the books of recognition and quota, checked now in every organisation."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from environs import Env

from services.connections import Addresses, addresses
from services.quota import proof as quota
from services.recognition import proof as recognition
from shared.database import begin_statement
from shared.proof import Invariant, prove

LEDGER = "I6"
LEDGER_NAME = "The ledger's allowances are recognition's, state by state"
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """What one invariant says of one organisation."""

    org_id: int
    service: str
    id: str
    name: str
    holds: bool
    result: str


async def findings(where: Addresses) -> list[Finding]:
    """All invariants of all organisations. Raises what asyncpg raises."""
    found: list[Finding] = []
    for org_id in await _organisations(where.admin):
        recognition_rows, ours = await _ask(where, "recognition", org_id, recognition.INVARIANTS, recognition.STATE)
        quota_rows, theirs = await _ask(where, "quota", org_id, quota.INVARIANTS, quota.STATE)
        found += _of("recognition", org_id, recognition_rows)
        found += _of("quota", org_id, quota_rows)
        found.append(Finding(org_id, "both", LEDGER, LEDGER_NAME, ours == theirs, f"{ours[:12]} = {theirs[:12]}"))
    return found


async def _organisations(admin_url: str) -> list[int]:
    admin = await asyncpg.connect(admin_url, timeout=10, command_timeout=SECONDS)
    try:
        return [row["id"] for row in await admin.fetch("SELECT id FROM auth.organisations WHERE id > 0 ORDER BY id")]
    finally:
        await admin.close(timeout=5)


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


def _of(service: str, org_id: int, rows: list[dict[str, Any]]) -> Iterator[Finding]:
    for row in rows:
        counted = ", ".join(f"{name} {value}" for name, value in row["result"].items())
        yield Finding(org_id, service, row["id"], row["name"], row["holds"], counted)


def main(argv: Sequence[str]) -> int:
    """Prints one line for each; 1 when any does not hold."""
    argparse.ArgumentParser(
        prog="python -m services proof",
        description="Checks the invariants of recognition and quota in every organisation, at rest: exit code 1 when "
        "one does not hold. Running requests may show as differences that are gone a moment later.",
    ).parse_args(argv)

    async def work() -> list[Finding]:
        async with addresses(Env()) as where:
            return await findings(where)

    found = asyncio.run(work())
    for one in found:
        verdict = "holds " if one.holds else "BROKEN"
        sys.stdout.write(f"{verdict} {one.org_id:>6} {one.service:<12} {one.id:<4} {one.name}: {one.result}\n")
    broken = sum(not one.holds for one in found)
    sys.stdout.write(f"{len(found) - broken} hold, {broken} broken\n")
    return 1 if broken else 0
