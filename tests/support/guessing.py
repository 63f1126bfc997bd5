"""A running Peerly whose sign-ins come from any address, and people with passwords to guess."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from tests.support.api import Reply
from tests.support.databases import Databases, ScratchDatabase, build_template
from tests.support.installation import Company, Installation, Member, installation

AT_ONCE = 8
PASSWORD = "unrelated walrus teapot"
WRONG = "a wrong password, long enough"
_addresses = (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}" for number in itertools.count(1))


@dataclass(slots=True)
class World:
    """A running Peerly that believes what this machine says of addresses, and one company of it."""

    peerly: Installation
    company: Company
    database: ScratchDatabase

    async def link(self, person: Member) -> str:
        """The token of a one-time link."""
        path = f"/users/{person.id}/password-reset"
        made = await self.peerly.expect(201, "POST", path, token=self.company.admin.token)
        return str(made["link"]).rpartition("/")[2]

    async def use(self, link: str, password: Any) -> Reply:
        return await self.peerly.ask("POST", f"/password-resets/{link}", body={"password": password})

    async def somebody(self, password: str = PASSWORD) -> Member:
        """Somebody new with a local password."""
        person = await self.peerly.newcomer(self.company.domain)
        assert (await self.use(await self.link(person), password)).status == 200
        return person

    async def log_in(self, email: str, password: str = PASSWORD, address: str | None = None) -> Reply:
        """From an address that nobody else has, unless one is given."""
        headers = {"X-Forwarded-For": address or next(_addresses)}
        body = {"username": email, "password": password}
        return await self.peerly.ask("POST", "/login", body=body, headers=headers)

    async def guess(self, tries: list[tuple[str, str]]) -> Counter[int]:
        """Wrong passwords for these accounts from these addresses, several at once; the answers by status."""
        places = asyncio.Semaphore(AT_ONCE)

        async def once(email: str, address: str) -> int:
            async with places:
                reply = await self.log_in(email, f"{WRONG} {secrets.token_hex(4)}", address)
            if reply.status == 429:
                assert 0 < int(reply.headers["Retry-After"]) <= 900
            return reply.status

        return Counter(await asyncio.gather(*(once(*each) for each in tries)))

    async def let_pass(self, minutes: int) -> None:
        """Moves all attempts into the past."""
        owner = await asyncpg.connect(self.database.admin_url)
        await owner.execute("UPDATE auth.sign_in_attempts SET at = at - make_interval(mins => $1)", minutes)
        await owner.close()


@asynccontextmanager
async def guessing(databases: Databases, folder: Path) -> AsyncIterator[World]:
    """One on a database of its own."""
    database = await databases.make(build_template)
    async with installation(database, folder) as peerly:
        yield World(peerly, await peerly.company(), database)
    await databases.drop(database)
