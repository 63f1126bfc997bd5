"""Auth on a port, the people of its world, and a Google."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.auth.app import SERVICE
from shared.service import Service
from tests.component.auth.running import BUILD, environment_of, running_world
from tests.component.auth.world import World
from tests.support import google, identity_provider
from tests.support.databases import Build
from tests.support.identity_provider import IdentityProvider


@pytest.fixture
def service() -> Service:
    return SERVICE


@pytest.fixture
def template_builder() -> Build:
    return BUILD


@pytest.fixture
async def google_server() -> AsyncIterator[google.Google]:
    async with google.serving() as server:
        yield server


@pytest.fixture
async def idp() -> AsyncIterator[IdentityProvider]:
    async with identity_provider.serving() as provider:
        yield provider


@pytest.fixture
def inside() -> str:
    """Whether identity providers may be on this machine."""
    return "on"


@pytest.fixture
def environment(environment: pytest.MonkeyPatch, google_server: google.Google, inside: str) -> pytest.MonkeyPatch:
    for name, value in environment_of(google_server, inside).items():
        environment.setenv(name, value)
    return environment


@pytest.fixture
async def world(
    environment: pytest.MonkeyPatch, google_server: google.Google, owner: asyncpg.Connection[asyncpg.Record]
) -> AsyncIterator[World]:
    async with running_world(google_server, owner) as world:
        yield world
