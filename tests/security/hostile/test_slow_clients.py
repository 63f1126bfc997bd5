"""F42: connections that send their request too slowly are closed within ten seconds, and others do not feel them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable

import aiohttp
import pytest

from tests.security.hostile.amounts import amount
from tests.support.databases import Databases, build_template
from tests.support.installation import Installation, installation
from tests.support.nginx import running_gateway

pytestmark = [pytest.mark.alone, pytest.mark.timeout(180)]

CONNECTIONS = amount(500, 2_000)
CLOSED_WITHIN = 10.0
OPENED_AT_ONCE = 100
HEAD = b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "
BODY = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2000\r\n\r\n{"
UNREAD_BODY = (
    b"POST /recognitions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 2000\r\n\r\n{"
)
CHUNKS = (
    b"POST /login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n1\r\n{\r\n"
)
BEFORE = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
SLOW = {
    "nothing at all": (b"", b""),
    "head, silent": (HEAD, b""),
    "head, dripping": (HEAD, b"x"),
    "request line, dripping": (b"GET /", b"x"),
    "a second head, dripping": (BEFORE + b"GET /", b"x"),
    "body, silent": (BODY, b""),
    "body, dripping": (BODY, b" "),
    "body that nobody reads, dripping": (UNREAD_BODY, b" "),
    "chunks, dripping": (CHUNKS, b"1\r\n \r\n"),
}
TIMED_BY_NGINX = ("nothing at all", "head, silent", "head, dripping", "request line, dripping", "body, silent")
"""It times the pauses in a body; the whole of one is timed by the service."""


@pytest.fixture(scope="module")
async def peerly(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    database = await databases.make(build_template)
    async with installation(database, tmp_path_factory.mktemp("slow")) as running:
        yield running
    await databases.drop(database)


async def seconds_open(port: int, begins: bytes, goes_on: bytes) -> float:
    """How long a connection is held by who begins a request like this and goes on with a little now and then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.monotonic()
    reading = asyncio.ensure_future(_until_closed(reader))
    writer.write(begins)
    while not reading.done() and time.monotonic() - began < 2 * CLOSED_WITHIN:
        await asyncio.wait([reading], timeout=0.5)
        if not writer.is_closing():
            writer.write(goes_on)
    writer.close()
    assert reading.done(), "still open"
    return time.monotonic() - began


async def _until_closed(reader: asyncio.StreamReader) -> None:
    try:
        while await reader.read(65_536):
            pass
    except ConnectionResetError:
        return


async def measured(port: int, kinds: Iterable[str]) -> dict[str, float]:
    found = await asyncio.gather(*(seconds_open(port, *SLOW[kind]) for kind in kinds))
    return dict(zip(kinds, found, strict=True))


async def test_f42_every_slow_connection_is_closed_by_the_process_alone_and_by_the_gateway(
    peerly: Installation,
) -> None:
    async with running_gateway() as gateway:
        found = await asyncio.gather(
            measured(int(peerly.url.rpartition(":")[2]), SLOW), measured(gateway.port, TIMED_BY_NGINX)
        )
    for one in found:
        assert max(one.values()) < CLOSED_WITHIN + 0.5, one
        assert min(one.values()) > 2, one


async def test_f42_others_are_served_by_the_process_alone_meanwhile(peerly: Installation) -> None:
    await others_are_served(int(peerly.url.rpartition(":")[2]), "head, dripping", "body, dripping")


async def test_f42_others_are_served_by_the_gateway_meanwhile() -> None:
    async with running_gateway() as gateway:
        await others_are_served(gateway.port, "head, dripping", "body, silent")


async def others_are_served(port: int, *kinds: str) -> None:
    """A client that asks on new connections all the time, until every slow one is closed."""
    slow = [asyncio.ensure_future(_held(port, kinds[place % 2], place)) for place in range(CONNECTIONS)]
    answers: Counter[object] = Counter()
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=5)) as session:
        closing = asyncio.gather(*slow)
        while not closing.done():
            answers[await _asked(session, port)] += 1
        seconds = await closing
    assert answers.total() >= 100, answers
    assert answers[200] >= 0.999 * answers.total(), answers
    assert max(seconds) < CLOSED_WITHIN + 1, max(seconds)


async def _held(port: int, kind: str, place: int) -> float:
    await asyncio.sleep(place / OPENED_AT_ONCE * 0.05)
    return await seconds_open(port, *SLOW[kind])


async def _asked(session: aiohttp.ClientSession, port: int) -> object:
    try:
        async with session.get(f"http://127.0.0.1:{port}/healthz") as answer:
            return answer.status
    except (aiohttp.ClientError, TimeoutError) as error:
        return type(error)
