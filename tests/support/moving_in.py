"""A company that moves in: its files, its organisation, and the import as a process of its own."""

from __future__ import annotations

import asyncio
import csv
import os
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import psutil

from services.auth.commands.organisations import create_organisation
from services.auth.domain.names import domain_of
from services.connections import SERVICE_NAMES
from shared.clock import utc_now
from shared.database import Database
from shared.identity.principal import SYSTEM_ORGANISATION
from tests.support.databases import ScratchDatabase
from tests.support.installation import ROOT

PEOPLE = ("email", "first_name", "last_name", "role_id", "desk")
VALUES = ("text", "description", "parent")
THANKS = ("given_by", "given_for", "core_value", "text", "given_at")
SETTINGS = {
    "name": "Globex",
    "contact_email": "office@globex.test",
    "hi5_limit": 5,
    "hi5_quota_renewal_frequency": "WEEKLY",
    "timezone": "Europe/Berlin",
}


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    err: str
    most_bytes: int = 0


@dataclass(slots=True)
class Company:
    """An organisation in a migrated database that no service works on, and a folder for its files."""

    scratch: ScratchDatabase
    folder: Path
    org_id: int
    admin: asyncpg.Connection[asyncpg.Record]

    def write(self, name: str, *rows: Sequence[object]) -> Path:
        return write(self.folder / name, rows)

    def environment(self) -> dict[str, str]:
        password = self.scratch.password or "not asked for"
        return {
            **os.environ,
            **{f"PEERLY_{name.upper()}_DATABASE_PASSWORD": password for name in SERVICE_NAMES},
            "DATABASE_URL": self.scratch.admin_url,
            "PEERLY_DATA_DIR": str(self.folder),
        }

    async def start(self, file: Path, *options: str, org_id: int | None = None) -> asyncio.subprocess.Process:
        words = ["-m", "services", "import", str(file), "--organisation", str(org_id or self.org_id), *options]
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(
            sys.executable, *words, cwd=ROOT, env=self.environment(), stdout=pipe, stderr=pipe
        )

    async def bring(self, file: Path, *options: str, org_id: int | None = None) -> Ended:
        process = await self.start(file, *options, org_id=org_id)
        watched, most = psutil.Process(process.pid), 0
        ending = asyncio.create_task(process.communicate())
        while not ending.done():
            try:
                most = max(most, watched.memory_info().rss)
            except psutil.Error:
                break
            await asyncio.wait([ending], timeout=0.05)
        out, err = await ending
        return Ended(process.returncode or 0, out.decode(), err.decode(), most)

    async def count(self, query: str) -> int:
        return int(await self.admin.fetchval(query))

    async def state(self) -> list[tuple[object, ...]]:
        """Everything that an import can change."""
        tables = ["auth.users", "auth.outbox", "recognition.outbox", "recognition.core_values"]
        tables += ["recognition.recognitions", "recognition.members"]
        rows = []
        for table in tables:
            rows += [(table, *row) for row in await self.admin.fetch(f"SELECT * FROM {table} ORDER BY 1, 2")]
        return rows


def write(path: Path, rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@asynccontextmanager
async def founded(scratch: ScratchDatabase, folder: Path, domain: str = "globex.test") -> AsyncIterator[Company]:
    database = await Database.connect(scratch.url("auth"), schema="auth", size=1)
    async with database.transaction(SYSTEM_ORGANISATION) as tx:
        domains = [domain_of(domain), domain_of(f"bücher.{domain}")]
        made = await create_organisation(tx, SETTINGS, domains, utc_now())
    await database.close()
    admin = await asyncpg.connect(scratch.admin_url, timeout=10)
    try:
        yield Company(scratch, folder, made.id, admin)
    finally:
        await admin.close(timeout=5)


def people(company: Company, number: int) -> Path:
    rows = [(f"p{one}@globex.test", f"First {one}", f"Last {one}", "employee", "1") for one in range(number)]
    return company.write("people.csv", PEOPLE, *rows)


def thanks(company: Company, number: int, among: int) -> Path:
    rows = [
        (f"p{one % among}@globex.test", f"P{(one + 1) % among}@Globex.test", "COURAGE", f"Thank you,\nonce {one}",
         1_600_000_000 + one)
        for one in range(number)
    ]  # fmt: skip
    return company.write("recognitions.csv", THANKS, *rows)


async def settled(company: Company, among: int = 10) -> None:
    """People and a core value are in."""
    for file in (people(company, among), company.write("values.csv", VALUES, ("Courage", "Dare", ""))):
        assert (await company.bring(file)).code == 0
