"""F45, S33: heads that nobody should send, to the process that has no gateway before it."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from tests.support.walk import World

GET = b"GET /whoami HTTP/1.1\r\n"
POST = b"POST /core_values HTTP/1.1\r\nHost: a\r\n"
HOST = b"Host: a\r\n"
REFUSED = {
    "10,000 headers": GET + HOST + b"X-A: b\r\n" * 10_000 + b"\r\n",
    "a header of 70 kB": GET + HOST + b"X-Big: " + b"x" * 70_000 + b"\r\n\r\n",
    "a name of 70 kB": GET + HOST + b"X" * 70_000 + b": x\r\n\r\n",
    "an address of 9 kB": b"GET /" + b"x" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "two hosts": GET + HOST + b"Host: b\r\n\r\n",
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
    "lengths in a list": POST + b"Content-Length: 5, 6\r\n\r\nabcdef",
    "a length below zero": POST + b"Content-Length: -1\r\n\r\n",
    "a length with a sign": POST + b"Content-Length: +5\r\n\r\nabcde",
    "a length in hex": POST + b"Content-Length: 0x5\r\n\r\nabcde",
    "a length without end": POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n",
    "chunked, unknown": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked not at the end": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a chunk that is no number": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    "a space before the colon": GET + HOST + b"X-A : b\r\n\r\n",
    "a folded header": GET + HOST + b"X-A: b\r\n c\r\n\r\n",
    "a NUL in a header": GET + HOST + b"X-A: b\0c\r\n\r\n",
    "a bare CR in a header": GET + HOST + b"X-A: b\rX-B: c\r\n\r\n",
    "no name": GET + HOST + b": b\r\n\r\n",
    "another protocol": b"GET /whoami HTTQ/1.1\r\nHost: a\r\n\r\n",
    "another version": b"GET /whoami HTTP/9.9\r\nHost: a\r\n\r\n",
    "a method with a NUL": b"G\0T /whoami HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method of 9 kB": b"X" * 9_000 + b" / HTTP/1.1\r\nHost: a\r\n\r\n",
    "bytes of TLS": bytes.fromhex("16030100c8010000c40303") + bytes(range(190)),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a raw NUL in the address": b"GET /whoami\0 HTTP/1.1\r\nHost: a\r\n\r\n",
}


async def answer_to(world: World, sent: bytes) -> bytes:
    """The first answer that the connection gives; empty when it is closed without one."""
    place = urlsplit(world.peerly.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(12):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as ended:
        return ended.partial
    finally:
        writer.close()


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
async def test_f45_a_head_that_nobody_should_send_is_refused(world: World, sent: bytes) -> None:
    first = (await answer_to(world, sent)).partition(b"\r\n")[0]
    assert first[9:12] in {b"400", b"413", b"414", b"431"}, first
    assert (await world.peerly.ask("GET", "/healthz")).status == 200


ENCODED = [
    "/%00",
    "/users/%00",
    "/recognitions/1%00",
    "/users/%ff",
    "/users/%c0%80",
    "/users/%ed%a0%80",
    "/%",
    "/%zz",
    "/users/%",
]


@pytest.mark.parametrize("path", ENCODED)
async def test_f45_characters_that_no_path_has_find_nothing(world: World, path: str) -> None:
    token = world.ours.admin.token.encode()
    sent = b"GET " + path.encode() + b" HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + token + b"\r\n\r\n"
    assert (await answer_to(world, sent)).split()[1] in {b"400", b"404"}
