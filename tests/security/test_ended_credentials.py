"""Every kind of credential, ended in each of its ways: refused by all four services within a second and for good (S12).

For good: also while auth is away from right after the answer on, and after every process was killed and started anew.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from deploy.broker import SERVICES
from tests.support import identity_provider
from tests.support.credentials import Held, Office
from tests.support.endings import ENDINGS
from tests.support.processes import running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.sessions import ROUTES, Sessions
from tests.support.waiting import eventually

pytestmark = pytest.mark.alone

EVERYWHERE = dict.fromkeys(SERVICES, 200)
NOWHERE = dict.fromkeys(SERVICES, 401)
OTHERS = [service for service in SERVICES if service != "auth"]
ASK_EVERY = 0.02
WITHIN_SECONDS = 1.0


@pytest.fixture(scope="module")
async def office(
    postgres: Postgres, rabbitmq: Rabbitmq, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    timeout, inside = aiohttp.ClientTimeout(total=15), {"PEERLY_PROVIDERS_INTERNAL": "on"}
    async with (
        running_system(postgres, rabbitmq, tmp_path_factory.mktemp("ended"), inside) as system,
        aiohttp.ClientSession(timeout=timeout) as http,
        identity_provider.serving() as idp,
    ):
        sessions = Sessions(system, http)
        await sessions.begin()
        yield Office(sessions, idp)


async def accepted(office: Office, name: str) -> Held:
    """A credential that every service has taken."""
    held = await ENDINGS[name](office)

    async def is_taken() -> bool:
        return await office.sessions.statuses(held.bearer) == EVERYWHERE

    await eventually(is_taken, within=25)
    return held


async def seconds_until_refused(office: Office, service: str, bearer: str, since: float) -> float:
    while await office.sessions.status(service, bearer) != 401:
        assert time.monotonic() - since < 10 * WITHIN_SECONDS, f"{service} goes on taking it"
        await asyncio.sleep(ASK_EVERY)
    return time.monotonic() - since


async def slowest(office: Office, services: list[str], bearer: str, since: float) -> float:
    waits = (seconds_until_refused(office, service, bearer, since) for service in services)
    return max(await asyncio.gather(*waits))


@pytest.mark.parametrize("name", ENDINGS)
async def test_s12_what_has_ended_is_refused_everywhere_within_a_second(office: Office, name: str) -> None:
    held = await accepted(office, name)
    await held.end()
    assert await slowest(office, list(SERVICES), held.bearer, time.monotonic()) <= WITHIN_SECONDS
    assert await office.sessions.statuses(held.bearer) == NOWHERE
    if held.renew is not None:
        assert await held.renew() in {400, 401}


@pytest.mark.parametrize("name", ENDINGS)
async def test_s12_what_has_ended_is_refused_without_auth_too(office: Office, name: str) -> None:
    """It dies with the answer, and is refused by itself once it is back."""
    system, held = office.sessions.system, await accepted(office, name)
    await held.end()
    system.kill("auth", hold=True)
    try:
        assert await slowest(office, OTHERS, held.bearer, time.monotonic()) <= WITHIN_SECONDS
    finally:
        await system.start("auth")
    assert await office.sessions.statuses(held.bearer) == NOWHERE
    if held.renew is not None:
        assert await held.renew() in {400, 401}


@pytest.fixture(scope="module")
async def restarted(office: Office) -> dict[str, tuple[Held, Held]]:
    """For each way one that has ended and one that has not, from before every process was killed."""
    pairs = {name: (await accepted(office, name), await accepted(office, name)) for name in ENDINGS}
    for ended, _ in pairs.values():
        await ended.end()
    for process in (*SERVICES, "gateway"):
        office.sessions.system.kill(process, hold=True)
    for process in (*SERVICES, "gateway"):
        await office.sessions.system.start(process)
    return pairs


@pytest.mark.parametrize("name", ENDINGS)
async def test_s12_what_has_ended_stays_so_after_every_restart(
    office: Office, restarted: dict[str, tuple[Held, Held]], name: str
) -> None:
    ended, lasting = restarted[name]
    assert await office.sessions.statuses(ended.bearer) == NOWHERE
    assert await office.sessions.statuses(lasting.bearer) == EVERYWHERE
    assert await behind_the_gateway(office, ended.bearer) == NOWHERE
    assert await behind_the_gateway(office, lasting.bearer) == EVERYWHERE
    if ended.renew is not None:
        assert await ended.renew() in {400, 401}


async def behind_the_gateway(office: Office, bearer: str) -> dict[str, int]:
    sessions, headers = office.sessions, {"Authorization": f"Bearer {bearer}"}
    statuses = {}
    for service, path in ROUTES.items():
        async with sessions.http.get(sessions.system.url + path, headers=headers) as answer:
            statuses[service] = answer.status
    return statuses
