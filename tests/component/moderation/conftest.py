"""Moderation, and what the tests know of its world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest

from services.moderation.app import HANDLERS, SERVICE
from shared.clock import utc_now
from shared.database import Database
from shared.service import Service
from tests.component.moderation.world import Api, World
from tests.support.api import serving
from tests.support.databases import Build, build_service

BUILD = partial(build_service, SERVICE)


@pytest.fixture
def service() -> Service:
    return SERVICE


@pytest.fixture
def template_builder() -> Build:
    return BUILD


@pytest.fixture
async def world(database: Database) -> World:
    world = World(database, HANDLERS, utc_now)
    await world.knows_everybody()
    return world


@pytest.fixture
async def api(environment: pytest.MonkeyPatch, world: World) -> AsyncIterator[Api]:
    async with serving(SERVICE) as (session, address):
        yield Api(session, address)
