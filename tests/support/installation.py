"""Peerly as `python -m services` runs it, on a database of its own, with companies whose people sign in."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from multidict import CIMultiDict

from services.connections import SERVICE_NAMES
from shared.identity import Role
from tests.support import google
from tests.support.api import Reply
from tests.support.databases import ScratchDatabase
from tests.support.google import Google
from tests.support.ports import free_port
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
ADMIN_EMAIL, ADMIN_PASSWORD = "root@peerly.test", "a long enough password for the tests"
START_SECONDS, STOP_SECONDS = 60, 12


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody signed in; `org_id` is null for a super admin."""

    id: int
    email: str
    token: str
    role: Role
    org_id: int | None


@dataclass(frozen=True, slots=True)
class Company:
    """An organisation with somebody in each role, and a second employee to thank."""

    id: int
    domain: str
    admin: Member
    moderator: Member
    employee: Member
    colleague: Member

    def member(self, role: Role) -> Member:
        """Who has this role here."""
        return {
            Role.ORGANISATION_ADMIN: self.admin,
            Role.MODERATOR: self.moderator,
            Role.EMPLOYEE: self.employee,
        }[role]


@dataclass(slots=True)
class Installation:
    """A running Peerly over HTTP."""

    url: str
    session: aiohttp.ClientSession
    google: Google
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: Any = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        form: bool = False,
    ) -> Reply:
        """One request; its body is JSON, the fields of a form, or a form with files."""
        sent = CIMultiDict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        carried = {"data": body} if form or isinstance(body, aiohttp.FormData) else {"json": body}
        async with self.session.request(method, self.url + path, params=params, headers=sent, **carried) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def expect(self, status: int, method: str, path: str, **options: Any) -> Any:
        """The data of an answer that has to have this status."""
        reply = await self.ask(method, path, **options)
        assert reply.status == status, f"{method} {path}: {reply.status} {reply.raw[:500]!r}"
        return reply.data if reply.raw else None

    async def super_admin(self) -> Member:
        """Signs in who runs the installation."""
        body = {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
        token = (await self.expect(200, "POST", "/login", body=body))["token"]
        me = await self.expect(200, "GET", "/users/me", token=token)
        return Member(me["id"], ADMIN_EMAIL, token, Role.SUPER_ADMIN, None)

    async def sign_in(self, email: str) -> Member:
        """Signs in with Google; the first time makes the user."""
        body = {"access_token": self.google_token(email)}
        token = (await self.expect(200, "POST", "/oauth/google", body=body))["token"]
        me = await self.expect(200, "GET", "/users/me", token=token)
        return Member(me["id"], email, token, Role(me["role_id"]), me["org_id"])

    def google_token(self, email: str) -> str:
        """What Google would have given to somebody's browser."""
        return self.google.knows(f"google-token-of-{email}", email)

    async def newcomer(self, domain: str) -> Member:
        """Somebody who has not been here before."""
        return await self.sign_in(f"person-{next(self._numbers)}@{domain}")

    async def company(self) -> Company:
        """A new organisation, whose people the other services have heard of."""
        root = await self.super_admin()
        domain = f"company-{next(self._numbers)}-{secrets.token_hex(3)}.test"
        asked = {
            "name": domain.split(".", maxsplit=1)[0],
            "domain_names": [domain],
            "contact_email": f"office@{domain}",
            "hi5_limit": 1_000_000,
            "hi5_quota_renewal_frequency": "QUARTERLY",
            "timezone": "Europe/Berlin",
        }
        made = await self.expect(201, "POST", "/organisations", token=root.token, body=asked)
        people = [
            await self._member(root, domain, role)
            for role in (Role.ORGANISATION_ADMIN, Role.MODERATOR, Role.EMPLOYEE, Role.EMPLOYEE)
        ]
        company = Company(made["id"], domain, *people)
        await eventually(lambda: self._is_known(company), within=15)
        return company

    async def _member(self, root: Member, domain: str, role: Role) -> Member:
        person = await self.newcomer(domain)
        if role == person.role:
            return person
        await self.expect(200, "PUT", f"/users/{person.id}", token=root.token, body={"role_id": int(role)})
        return await self.sign_in(person.email)

    async def _is_known(self, company: Company) -> bool:
        """Whether recognition and quota know the newest person and the policy."""
        reply = await self.ask("GET", f"/quota/users/{company.colleague.id}", token=company.admin.token)
        return reply.status == 200


@asynccontextmanager
async def installation(
    database: ScratchDatabase, folder: Path, *, program: str = "services"
) -> AsyncIterator[Installation]:
    """Starts the process and waits until it is ready; ends it in order and checks that it did."""
    async with google.serving() as its_google, aiohttp.ClientSession() as session:
        port = free_port()
        made = Installation(f"http://127.0.0.1:{port}", session, its_google)
        with (folder / "output.log").open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", program, cwd=ROOT, env=_environment(database, folder, port, its_google),
                stdout=output, stderr=output,
            )  # fmt: skip
            try:
                await eventually(lambda: _is_ready(made, process, folder), within=START_SECONDS, every=0.1)
                yield made
                process.send_signal(signal.SIGTERM)
                assert await asyncio.wait_for(process.wait(), STOP_SECONDS) == 0, _output(folder)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()


def _environment(database: ScratchDatabase, folder: Path, port: int, its_google: Google) -> dict[str, str]:
    password = database.password or "not asked for"
    return {
        **os.environ,
        **{f"PEERLY_{name.upper()}_DATABASE_PASSWORD": password for name in SERVICE_NAMES},
        "DATABASE_URL": database.admin_url,
        "AMQP_URL": "",
        "PEERLY_PORT": str(port),
        "PEERLY_DATA_DIR": str(folder),
        "PEERLY_DEMO": "off",
        "PEERLY_RATE_LIMITS": "off",
        "PEERLY_TRUSTED_PROXIES": "127.0.0.1",
        "PEERLY_ADMIN_EMAIL": ADMIN_EMAIL,
        "PEERLY_ADMIN_PASSWORD": ADMIN_PASSWORD,
        **its_google.environment,
    }


async def _is_ready(made: Installation, process: asyncio.subprocess.Process, folder: Path) -> bool:
    if process.returncode is not None:
        raise RuntimeError(f"it ended at its start with {process.returncode}: {_output(folder)}")
    try:
        return (await made.ask("GET", "/readyz")).status == 200
    except aiohttp.ClientConnectionError:
        return False


def _output(folder: Path) -> str:
    return (folder / "output.log").read_text(errors="replace")[-4000:]
