"""A database for each test, cloned from a template that the session built once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from shared.migrate import migrate, read
from shared.service import Service
from tests.support.servers import Postgres

PASSWORD = "peerly-tests"
SERVER_LOCK = 7_305_521_002
"""Roles belong to the whole server: sessions that share one build their templates one after the other."""

SPENT_TOGETHER = 8
SETTING_UP = 60
"""Seconds for each step before and after a test: a checkpoint on a crowded machine says nothing about the code."""
SERVICE_ROLES = ["peerly_auth", "peerly_moderation", "peerly_quota", "peerly_recognition"]

Build = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class ScratchDatabase:
    """One test's own database."""

    admin_url: str
    password: str | None

    def url(self, service: str) -> str:
        """As the service itself connects."""
        place = urlsplit(self.admin_url)
        user = f"peerly_{service}" if self.password is None else f"peerly_{service}:{self.password}"
        return urlunsplit(place._replace(netloc=f"{user}@{place.hostname}:{place.port or 5432}"))

    @property
    def name(self) -> str:
        return urlsplit(self.admin_url).path.removeprefix("/")


class Databases:
    """Makes and drops the databases of a session."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._session = f"peerly_test_{secrets.token_hex(4)}"
        self._templates: dict[Build, ScratchDatabase] = {}
        self._made: set[ScratchDatabase] = set()
        self._spent: list[ScratchDatabase] = []
        self._count = 0

    async def make(self, build: Build) -> ScratchDatabase:
        """A database like the one that `build`, given an administrator's URL, makes of an empty one."""
        template = self._templates.get(build) or await self._template(build)
        made = self._next()
        self._made.add(made)
        await self._execute(f"CREATE DATABASE {made.name} TEMPLATE {template.name}")
        return made

    async def drop(self, database: ScratchDatabase) -> None:
        """Drops it soon: each drop waits for a checkpoint, and several at once wait for the same one."""
        self._made.discard(database)
        self._spent.append(database)
        if len(self._spent) >= SPENT_TOGETHER:
            await self._drop_spent()

    async def close(self) -> None:
        """Drops everything that is left."""
        self._spent.extend([*self._made, *self._templates.values()])
        self._made.clear()
        self._templates.clear()
        await self._drop_spent()

    async def _drop_spent(self) -> None:
        spent, self._spent = self._spent, []
        await asyncio.gather(*(self._execute(f"DROP DATABASE IF EXISTS {each.name} WITH (FORCE)") for each in spent))

    async def _template(self, build: Build) -> ScratchDatabase:
        template = self._next()
        admin = await asyncpg.connect(self._server.url, timeout=SETTING_UP)
        try:
            await admin.execute("SELECT pg_advisory_lock($1)", SERVER_LOCK)
            await admin.execute(f"CREATE DATABASE {template.name} TEMPLATE template0")
            self._templates[build] = template
            await build(template.admin_url)
            if not self._server.trusts:
                await _set_passwords(admin)
        except BaseException:
            self._templates.pop(build, None)
            with suppress(asyncpg.PostgresError):
                await admin.execute(f"DROP DATABASE IF EXISTS {template.name} WITH (FORCE)")
            raise
        finally:
            await admin.close(timeout=5)
        return template

    def _next(self) -> ScratchDatabase:
        self._count += 1
        place = urlsplit(self._server.url)._replace(path=f"/{self._session}_{self._count}")
        return ScratchDatabase(urlunsplit(place), None if self._server.trusts else PASSWORD)

    async def _execute(self, statement: str) -> None:
        admin = await asyncpg.connect(self._server.url, timeout=SETTING_UP)
        try:
            await admin.execute(statement, timeout=SETTING_UP)
        finally:
            await admin.close(timeout=5)


async def _set_passwords(admin: asyncpg.Connection[asyncpg.Record]) -> None:
    """On a server that asks for one, the services' roles get the tests' password."""
    roles = await admin.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY ($1)", SERVICE_ROLES)
    for role in roles:
        await admin.execute(f"ALTER ROLE {role['rolname']} PASSWORD '{PASSWORD}'")


async def build_template(admin_url: str) -> None:
    """All services' schemas, as `python -m services migrate` makes them."""
    from services.migrations import migrate_all  # a test of one service alone does without the others

    await migrate_all(admin_url, {})


async def build_service(service: Service, admin_url: str) -> None:
    """One service's schema alone."""
    await migrate(admin_url, service.name, read(service.migrations, service.shared_parts), password=None)
