"""One service on a database of its own; a folder's conftest.py says which one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from shared.database import Database
from shared.service import Service
from tests.support.databases import ScratchDatabase


@pytest.fixture
def database_url(scratch: ScratchDatabase, service: Service) -> str:
    return scratch.url(service.name)


@pytest.fixture
async def database(database_url: str, service: Service) -> AsyncIterator[Database]:
    database = await Database.connect(database_url, schema=service.name)
    yield database
    await database.close()


@pytest.fixture
async def owner(scratch: ScratchDatabase, service: Service) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A superuser's connection, whom no grant and no policy stops."""
    connection = await asyncpg.connect(scratch.admin_url, server_settings={"search_path": service.name})
    yield connection
    await connection.close()


@pytest.fixture
def environment(database_url: str, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("PEERLY_RATE_LIMITS", "off")
    return monkeypatch
