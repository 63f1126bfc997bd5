"""Forward-only migrations: SQL files, applied once each under a lock, refused when an applied file was edited."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from shared.provision import provision

SHARED = Path(__file__).parent / "migrations"
LOCK_SECONDS = 60
PROVISION_TRIES = 20


class MigrationEdited(RuntimeError):
    """A migration was changed after it had been applied; add a new file instead."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One SQL file; `name` is its folder's role and file name: `shared/0001_messaging.sql`."""

    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def read(own: Path, shared_parts: Iterable[str]) -> list[Migration]:
    """A service's migrations in their order: the shared parts that it uses, then its own."""
    return [*_files("shared", SHARED, set(shared_parts)), *_files("own", own, None)]


def _files(kind: str, folder: Path, parts: set[str] | None) -> Iterator[Migration]:
    for path in sorted(folder.glob("[0-9]*.sql")):
        if parts is None or path.stem.split("_", 1)[1] in parts:
            yield Migration(f"{kind}/{path.name}", path.read_text())


async def migrate(admin_url: str, service: str, migrations: Iterable[Migration], *, password: str | None) -> list[str]:
    """Provisions a service and applies what is new, in one transaction; returns the names applied.

    Raises `MigrationEdited`, `asyncpg.PostgresError`, `OSError` or `TimeoutError`.
    """
    admin = await asyncpg.connect(admin_url, timeout=10, command_timeout=LOCK_SECONDS)
    try:
        await _provision(admin, service, password)
        async with admin.transaction():
            return await _apply(admin, service, list(migrations))
    finally:
        await admin.close(timeout=5)


async def _provision(admin: asyncpg.Connection[asyncpg.Record], service: str, password: str | None) -> None:
    """Again when another database of the same server does it at this moment: roles belong to the whole server."""
    for attempt in range(1, PROVISION_TRIES + 1):
        try:
            await provision(admin, service, password)
            break
        except asyncpg.InternalServerError as error:
            if "concurrently" not in str(error) or attempt == PROVISION_TRIES:
                raise
            await asyncio.sleep(random.uniform(0.05, 0.25) * attempt)  # noqa: S311 - spreads rivals, hides nothing


async def _apply(admin: asyncpg.Connection[asyncpg.Record], service: str, migrations: list[Migration]) -> list[str]:
    await admin.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"peerly.migrate.{service}")
    await admin.execute("SELECT set_config('role', $1, true)", f"peerly_{service}_owner")
    await admin.execute("SELECT set_config('search_path', $1, true)", service)
    await admin.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations ("
        " name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp())"
    )
    rows = await admin.fetch("SELECT name, checksum FROM schema_migrations")
    applied = {row["name"]: row["checksum"] for row in rows}
    fresh = [migration for migration in migrations if not _is_applied(migration, applied)]
    for migration in fresh:
        await admin.execute(migration.sql, timeout=LOCK_SECONDS)
        await admin.execute(
            "INSERT INTO schema_migrations (name, checksum) VALUES ($1, $2)", migration.name, migration.checksum
        )
    return [migration.name for migration in fresh]


def _is_applied(migration: Migration, applied: dict[str, str]) -> bool:
    checksum = applied.get(migration.name)
    if checksum is not None and checksum != migration.checksum:
        raise MigrationEdited(f"{migration.name} was changed after it had been applied; add a new migration instead")
    return checksum is not None
