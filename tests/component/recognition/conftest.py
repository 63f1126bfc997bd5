"""Recognition, and what the tests know of its world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from services.recognition.app import HANDLERS, SERVICE
from shared.clock import utc_now
from shared.database import Database
from shared.service import Service
from tests.component.recognition.world import Api, World
from tests.support.api import serving
from tests.support.databases import Build, ScratchDatabase, build_service

BUILD = partial(build_service, SERVICE)


@pytest.fixture
def service() -> Service:
    return SERVICE


@pytest.fixture
def template_builder() -> Build:
    return BUILD


@pytest.fixture
async def world(database: Database, scratch: ScratchDatabase) -> World:
    world = World(database, HANDLERS, utc_now, scratch.admin_url)
    await world.knows_everybody()
    return world


@pytest.fixture
async def api(environment: pytest.MonkeyPatch, world: World, tmp_path: Path) -> AsyncIterator[Api]:
    environment.setenv("PEERLY_POOL_SIZE", "16")
    environment.setenv("PEERLY_FILES_DIRECTORY", str(tmp_path / "files"))
    async with serving(SERVICE) as (session, address):
        yield Api(session, address)
