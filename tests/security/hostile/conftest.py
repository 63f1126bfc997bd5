"""One Peerly with two companies for all tests of this folder that do not need another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest

from services.processes import Processes
from tests.support.databases import Databases, ScratchDatabase, build_template
from tests.support.installation import installation
from tests.support.processes import ADMIN_EMAIL, ADMIN_PASSWORD, running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.story import Story
from tests.support.walk import World


@pytest.fixture(scope="package")
async def shared_database(databases: Databases) -> AsyncIterator[ScratchDatabase]:
    database = await databases.make(build_template)
    yield database
    await databases.drop(database)


@pytest.fixture(scope="package")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture
def log(folder: Path) -> Path:
    """What the process says on its outputs."""
    return folder / "output.log"


@pytest.fixture(scope="package")
async def world(shared_database: ScratchDatabase, folder: Path) -> AsyncIterator[World]:
    async with installation(shared_database, folder) as peerly:
        ours, theirs = await peerly.company(), await peerly.company()
        yield World(peerly, ours, theirs, await peerly.super_admin())


@pytest.fixture
async def owner(shared_database: ScratchDatabase) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """Whom no grant and no policy stops."""
    connection = await asyncpg.connect(shared_database.admin_url)
    yield connection
    await connection.close()


@pytest.fixture(scope="package")
async def system(
    postgres: Postgres, rabbitmq: Rabbitmq, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Processes]:
    async with running_system(postgres, rabbitmq, tmp_path_factory.mktemp("system")) as running:
        yield running


@pytest.fixture
async def story(system: Processes) -> AsyncIterator[Story]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=15)) as session:
        begun = Story(system.url, session, ADMIN_EMAIL, ADMIN_PASSWORD)
        await begun.begin()
        yield begun
