"""Quota, and what the tests know of its world."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import pytest

from services.quota.app import HANDLERS, SERVICE
from shared.database import Database
from shared.service import Service
from tests.component.quota.world import Api, Clockwork, World
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
def clock() -> Clockwork:
    return Clockwork()


@pytest.fixture
async def empty_world(database: Database, clock: Clockwork) -> World:
    return World(database, HANDLERS, clock)


@pytest.fixture
async def world(empty_world: World) -> World:
    await empty_world.knows_everybody()
    return empty_world


@pytest.fixture
async def api(environment: pytest.MonkeyPatch, clock: Clockwork) -> AsyncIterator[Api]:
    async with serving(SERVICE, clock) as (session, address):
        yield Api(session, address)
