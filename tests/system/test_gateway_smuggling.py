"""Gateway and services agree on where each request ends, whatever bytes a client sends."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.lengths import LONG
from tests.support.nginx import RunningGateway, running_gateway

SILENCE_SECONDS = 1.5
SEEDS, AT_ONCE = (55 if LONG else 4), 300
"""Each seed is three times so many requests: fifty thousand of the framings and these together in the long form."""
HIDDEN = b"GET /users/hidden HTTP/1.1\r\nHost: a\r\nX-Request-Id: hidden\r\n\r\n"
FRAMINGS = [
    b"Content-Length: 0\r\nTransfer-Encoding: chunked",
    b"Content-Length: %d\r\nTransfer-Encoding: chunked" % len(b"0\r\n\r\n" + HIDDEN),
    b"Transfer-Encoding: chunked\r\nContent-Length: 5",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked\x00",
    b"transfer-encoding: CHUNKED",
    b" Transfer-Encoding: chunked",
    b"X-Before: x\r\n Transfer-Encoding: chunked",
    b"X-Before: x\nTransfer-Encoding: chunked",
    b"X-Before: x\rTransfer-Encoding: chunked",
    b"Transfer_Encoding: chunked",
    b"Content-Length: 5\r\nContent-Length: 0",
    b"Content-Length: 5, 0",
    b"Content-Length: +5",
    b"Content-Length: -1",
    b"Content-Length: 0x5",
    b"Content-Length: 5 ",
    b"Content-Length : 5",
    b"Content_Length: 5",
    b"Content-Length: 00000000000000000005",
    b"Content-Length: 99999999999999999999",
    b"Content-Length: 5\r\nConnection: Content-Length",
    b"Transfer-Encoding: chunked\r\nConnection: Transfer-Encoding",
    b"Upgrade: websocket\r\nConnection: Upgrade",
    b"Expect: 100-continue\r\nContent-Length: 5",
]
BODIES = [
    b"0\r\n\r\n" + HIDDEN,
    b"5\r\n" + HIDDEN,
    b"0005\r\nabcde\r\n0\r\n\r\n" + HIDDEN,
    b"5;x=\ny\r\nabcde\r\n0\r\n\r\n" + HIDDEN,
    b"5\nabcde\n0\n\n" + HIDDEN,
    b"ffffffffffffffff1\r\n" + HIDDEN,
    b"0\r\nX-Trailer: x\r\n\r\n" + HIDDEN,
    HIDDEN,
]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gateway() -> AsyncIterator[RunningGateway]:
    async with running_gateway(rate_limits=False) as running:
        yield running


async def send(gateway: RunningGateway, sent: bytes) -> None:
    """Sends, and listens until the gateway closes or has nothing more to say."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    with contextlib.suppress(ConnectionResetError, TimeoutError):
        writer.write(sent)
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                if not await reader.read(65_536):
                    break
    writer.close()


def check_agreement(gateway: RunningGateway) -> None:
    """Every request that a service saw is one that the gateway passed on, once, under an id of the gateway's log."""
    assert gateway.process.returncode is None
    passed_on = Counter(line["request_id"] for line in gateway.log_lines() if line["upstream"])
    seen = Counter(one for stand_in in gateway.stand_ins.values() for one in stand_in.request_ids)
    assert not seen - passed_on
    assert seen.total() > 20
    assert not [line for line in gateway.log_lines() if line["status"] >= 500 and not line["upstream"]]


@pytest.mark.parametrize("method", [b"GET", b"POST", b"DELETE"])
async def test_s33_no_framing_hides_a_request_in_another(gateway: RunningGateway, method: bytes) -> None:
    starts = [method + b" /quota/x HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\n\r\n" for framing in FRAMINGS]
    await asyncio.gather(*(send(gateway, start + body) for start in starts for body in BODIES))
    check_agreement(gateway)


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_s33_mangled_bytes_neither_confuse_nor_stop_it(gateway: RunningGateway, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(3):
        await asyncio.gather(*(send(gateway, mangled(chance)) for _ in range(AT_ONCE)))
    check_agreement(gateway)
    async with gateway.session.get("/users") as answer:
        assert answer.status == 200


def mangled(chance: random.Random) -> bytes:
    """A request with a few bytes changed, doubled or taken away, and another one after it."""
    framing, body = chance.choice(FRAMINGS), chance.choice(BODIES)
    head = (
        b" /quota/x?a=%2e HTTP/1.1\r\nHost: a\r\n" + framing + b"\r\nX-Request-Id: " + b"%08x" % chance.getrandbits(32)
    )
    sent = bytearray(chance.choice((b"GET", b"POST")) + head + b"\r\n\r\n" + body)
    for _ in range(chance.randint(1, 4)):
        place, kind = chance.randrange(len(sent)), chance.randrange(3)
        changed = {0: [chance.randrange(256)], 1: [sent[place]] * 2, 2: []}[kind]
        sent[place : place + 1] = bytes(changed)
    return bytes(sent)
