"""How much one person, client, organisation or address gets of each service, however it asks (S25)."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
import pytest

from services.catalogue import SERVICES
from shared.identity import Role
from shared.identity.claims import ACCESS_TOKEN, API_KEY, PERSONAL_TOKEN
from shared.identity.roles import PERMISSIONS
from shared.rate_limit import EXPORTS, PER_ADDRESS, PER_CREDENTIAL, PER_ORGANISATION, Policy
from shared.service import Service
from tests.support.api import ACME, SIGNER, serving
from tests.support.databases import ScratchDatabase
from tests.support.tokens import EXPECTED, claims

TIMES = 10
"""As the row asks for: so many times the limit."""
AT_ONCE = 40
PERSON, OTHER = 7, 8
# What is answered without a wait for other services, rightly or not: every request counts.
PATHS = {
    "auth": ("GET /users", "PUT /users/me"),
    "recognition": ("GET /recognitions", "POST /recognitions/1/hi5"),
    "quota": ("GET /quota/users/0", "POST /quota/users/1/adjustments"),
    "moderation": ("GET /moderation/cases", "POST /recognitions/1/report"),
}
SCOPES = " ".join(PERMISSIONS[Role.ORGANISATION_ADMIN])
_jtis = (f"1.session-{number}" for number in itertools.count())


@dataclass(slots=True)
class Target:
    """One service over HTTP with its limits on, and which answers it gave."""

    service: str
    session: aiohttp.ClientSession
    address: str

    async def ask(self, operation: str, token: str | None) -> tuple[int, dict[str, str]]:
        method, path = operation.split()
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self.session.request(method, self.address + path, headers=headers) as answer:
            await answer.read()
            return answer.status, dict(answer.headers)

    async def flood(self, tokens: list[str | None], count: int, policy: Policy) -> Counter[int]:
        """So many requests at once as fast as they go, with these tokens in turn; no more pass than may."""
        places, statuses, began = asyncio.Semaphore(AT_ONCE), Counter[int](), time.monotonic()
        operations = itertools.cycle(PATHS[self.service])

        async def once(token: str | None) -> None:
            async with places:
                status, headers = await self.ask(next(operations), token)
            statuses[status] += 1
            assert headers["RateLimit-Policy"] == policy.header
            assert headers["RateLimit"].startswith(f'"{policy.name}";r=')
            if status == 429:
                assert int(headers["Retry-After"]) >= 1

        await asyncio.gather(*(once(tokens[number % len(tokens)]) for number in range(count)))
        keeps(policy, statuses, time.monotonic() - began)
        return statuses

    async def crowd(self, operations: Sequence[str], tokens: list[str], count: int, policy: Policy) -> None:
        """The same of many whose own limits are not reached: who is refused is told of the limit that did it."""
        places, statuses, began = asyncio.Semaphore(AT_ONCE), Counter[int](), time.monotonic()

        async def once(number: int) -> None:
            async with places:
                status, headers = await self.ask(operations[number % len(operations)], tokens[number % len(tokens)])
            statuses[status] += 1
            if status == 429:
                assert headers["RateLimit-Policy"] == policy.header
                assert int(headers["Retry-After"]) >= 1

        await asyncio.gather(*map(once, range(count)))
        keeps(policy, statuses, time.monotonic() - began)


def keeps(policy: Policy, statuses: Counter[int], seconds: float) -> None:
    """No more passed than may, no fewer either, and nothing broke."""
    passed = statuses.total() - statuses[429]
    assert policy.burst <= passed <= policy.burst + policy.rate * seconds + 1, statuses
    assert not [status for status in statuses if status >= 500], statuses


@asynccontextmanager
async def limited(service: Service, scratch: ScratchDatabase, environment: pytest.MonkeyPatch) -> AsyncIterator[Target]:
    environment.setenv("DATABASE_URL", scratch.url(service.name))
    environment.setenv("PEERLY_RATE_LIMITS", "on")
    environment.setenv("PEERLY_SECRET", "the tests' own secret, long enough")
    async with serving(service) as (session, address), session:
        yield Target(service.name, session, address)


@pytest.fixture(params=SERVICES, ids=lambda service: service.name)
async def target(
    request: pytest.FixtureRequest, scratch: ScratchDatabase, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Target]:
    async with limited(request.param, scratch, monkeypatch) as made:
        yield made


@pytest.fixture
async def auth(scratch: ScratchDatabase, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Target]:
    async with limited(SERVICES[0], scratch, monkeypatch) as made:
        yield made


def session_of(user_id: int, org_id: int = ACME) -> str:
    return SIGNER.sign({**claims(user_id, Role.ORGANISATION_ADMIN, org_id), "jti": next(_jtis)})


def narrowed(kind: str, client_id: str, user_id: int = PERSON) -> str:
    known = {**claims(user_id, Role.ORGANISATION_ADMIN), "jti": next(_jtis), "iss": EXPECTED.issuer_of(kind)}
    return SIGNER.narrowed(kind, SCOPES, client_id, **known)


async def test_s25_a_hundred_credentials_of_a_person_have_one_limit(target: Target) -> None:
    tokens: list[str | None] = [session_of(PERSON) for _ in range(50)]
    tokens += [narrowed(PERSONAL_TOKEN, f"token:{number}") for number in range(50)]
    await target.flood(tokens, TIMES * PER_CREDENTIAL.burst, PER_CREDENTIAL)
    assert (await target.ask(PATHS[target.service][0], session_of(OTHER)))[0] != 429


@pytest.mark.parametrize("kind", [API_KEY, ACCESS_TOKEN])
async def test_s25_a_client_has_a_limit_of_its_own_whatever_tokens_it_has(auth: Target, kind: str) -> None:
    tokens: list[str | None] = [narrowed(kind, "client:1") for _ in range(20)]
    await auth.flood(tokens, TIMES * PER_CREDENTIAL.burst, PER_CREDENTIAL)
    for other in (narrowed(kind, "client:2"), session_of(PERSON)):
        assert (await auth.ask("GET /users", other))[0] != 429


async def test_s25_all_people_of_an_organisation_have_one_limit_together(target: Target) -> None:
    """Each stays below what one person may, and another organisation is served all the while."""
    count = TIMES * PER_ORGANISATION.burst
    tokens = [session_of(user_id) for user_id in range(100, 100 + 2 * count // PER_CREDENTIAL.burst)]
    flood = asyncio.create_task(target.crowd(PATHS[target.service][:1], tokens, count, PER_ORGANISATION))
    elsewhere = session_of(1, org_id=2)
    while not flood.done():
        assert (await target.ask(PATHS[target.service][0], elsewhere))[0] != 429
        await asyncio.sleep(0.05)
    await flood


async def test_s25_exports_of_an_organisation_have_a_limit_of_their_own(
    scratch: ScratchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognition = next(service for service in SERVICES if service.name == "recognition")
    exports = itertools.cycle(["GET /exports/recognitions.csv", "GET /exports/recognitions.ndjson"])
    async with limited(recognition, scratch, monkeypatch) as target:
        tokens, statuses, began = [session_of(user_id) for user_id in range(100, 110)], Counter[int](), time.monotonic()
        for number in range(TIMES * EXPORTS.burst):
            status, headers = await target.ask(next(exports), tokens[number % len(tokens)])
            statuses[status] += 1
            if status == 429:
                assert headers["RateLimit-Policy"] == EXPORTS.header
                assert int(headers["Retry-After"]) >= 1
        keeps(EXPORTS, statuses, time.monotonic() - began)
        assert (await target.ask(next(exports), session_of(1, org_id=2)))[0] == 200
        assert (await target.ask("GET /recognitions", tokens[0]))[0] == 200


async def test_s25_what_exports_nothing_uses_up_no_export(
    scratch: ScratchDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognition = next(service for service in SERVICES if service.name == "recognition")
    path, token = "/exports/recognitions.csv", session_of(PERSON)
    async with limited(recognition, scratch, monkeypatch) as target:
        for _ in range(2 * EXPORTS.burst):
            assert (await target.ask(f"HEAD {path}", token))[0] == 200
            for query in ("filter[core_value_id]=1&filter[id][gt]=5", "filter[nothing]=1", "nothing=1"):
                assert (await target.ask(f"GET {path}?{query}", token))[0] == 400
        statuses = [(await target.ask(f"GET {path}", token))[0] for _ in range(EXPORTS.burst + 1)]
        assert statuses == [200] * EXPORTS.burst + [429]


async def test_s25_who_has_no_valid_token_has_the_limit_of_the_address(target: Target) -> None:
    tokens = [None, "no.such.token", session_of(PERSON)[:-4] + "AAAA"]
    await target.flood(tokens, TIMES * PER_ADDRESS.burst, PER_ADDRESS)
    assert (await target.ask(PATHS[target.service][0], session_of(OTHER)))[0] != 429


async def test_s25_pipelined_requests_are_counted_one_by_one(auth: Target) -> None:
    count, place = TIMES * PER_CREDENTIAL.burst, urlsplit(auth.address)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    request = f"GET /users HTTP/1.1\r\nHost: peerly\r\nAuthorization: Bearer {session_of(PERSON)}\r\n\r\n"
    began = time.monotonic()
    reading = asyncio.create_task(_statuses(reader, count))
    writer.write(request.encode() * count)
    try:
        statuses = await asyncio.wait_for(reading, 30)
    finally:
        writer.close()
        await writer.wait_closed()
    passed = count - statuses[b"429"]
    assert PER_CREDENTIAL.burst <= passed <= PER_CREDENTIAL.burst + PER_CREDENTIAL.rate * (time.monotonic() - began) + 1


async def _statuses(reader: asyncio.StreamReader, count: int) -> Counter[bytes]:
    """The statuses of so many answers, whose bodies end without a line break."""
    seen = b""
    while seen.count(b"HTTP/1.1 ") < count or not seen.endswith(b"}"):
        more = await reader.read(65_536)
        assert more, "the connection ended early"
        seen += more
    return Counter(re.findall(rb"HTTP/1\.1 (\d+) ", seen))
