"""Many at once who want what one may have."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from multidict import CIMultiDict

from tests.support.api import Reply

AT_ONCE = 64
REFUSED = {400, 503}
RACE_SECONDS = 30

Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Racers:
    """Connections that are open before a race begins, so that all send in the same moment; they cost the least."""

    host: str
    lines: Sequence[Line]

    async def race(self, path: str, form: dict[str, str]) -> list[Reply]:
        """The answers to one form that all send at once."""
        body = urlencode(form).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        for _, writer in self.lines:
            writer.write(request)
        async with asyncio.timeout(RACE_SECONDS):
            return list(await asyncio.gather(*(_reply(reader) for reader, _ in self.lines)))


async def _reply(reader: asyncio.StreamReader) -> Reply:
    first, *others = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").strip().split("\r\n")
    headers = CIMultiDict([(name, value) for name, _, value in (one.partition(": ") for one in others)])
    body = await reader.readexactly(int(headers["Content-Length"]))
    return Reply(int(first.split()[1]), headers, body)


@asynccontextmanager
async def racing(address: str) -> AsyncIterator[Racers]:
    """As many connections to a service as race at once."""
    place = urlsplit(address)
    lines = [await asyncio.open_connection(place.hostname, place.port) for _ in range(AT_ONCE)]
    try:
        yield Racers(place.netloc, lines)
    finally:
        for _, writer in lines:
            writer.close()


def only_success(replies: Sequence[Reply]) -> dict[str, Any]:
    """The one answer that was no refusal."""
    counted = Counter(reply.status for reply in replies)
    assert counted[200] == 1, counted
    assert set(counted) <= {200} | REFUSED, counted
    return next(dict(reply.body) for reply in replies if reply.status == 200)
