"""F43, F44, S31: bodies that are too large, too deep or not JSON as the contract has it: 400 or 413, never 500."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import psutil
import pytest

from tests.security.hostile.amounts import amount
from tests.support.walk import World

RANDOM = amount(2_000, 10_000)
AT_ONCE = 6
BUSY = 503
JSON = {"Content-Type": "application/json"}
GOOD = b'{"text": "Courage", "description": "To dare"}'
NUMBERS = [
    "1e400",
    "-1e400",
    "1" + "0" * 5_000,
    "1" * 100_000,
    "0x10",
    "01",
    "+1",
    ".5",
    "1.",
    "Infinity",
    "NaN",
    "-NaN",
]
STRINGS = [
    "\\u0000",
    "a\\u0000b",
    "\\ud800",
    "\\udc00\\ud800",
    "\\udfff",
    "\\x00",
    "\\u00g0",
    "\t",
    "\n",
    "\x7f\\ud83d",
]
WRONG_TYPES = ["1", "1.5", "true", "null", "[]", "{}", '["Courage"]', '{"a": 1}', "-1", "9223372036854775808"]
ID_VALUES = [
    "true",
    "false",
    "1.5",
    "-1",
    "0",
    '"0"',
    '"-1"',
    '"1.0"',
    '"1e3"',
    '" 1 "',
    '"\u0661"',
    "9007199254740992",
    "9223372036854775808",
    "1e400",
    '"' + "9" * 5_000 + '"',
    "[1]",
    '{"id": 1}',
    '""',
    '"null"',
    '"\\u0000"',
    "1e-5",
]


def fields(text: str = '"Courage"', more: str = "") -> bytes:
    return f'{{"text": {text}, "description": "To dare"{more}}}'.encode()


BAD: dict[str, bytes] = {
    "not an object: null": b"null",
    "a list": b"[]",
    "a string": b'"x"',
    "a number": b"7",
    "nothing closed": b'{"text": "a"',
    "two objects": GOOD + GOOD,
    "trailing comma": b'{"text": "a",}',
    "single quotes": b"{'text': 'a'}",
    "a comment": b'/* x */{"text": "a"}',
    "bytes of Latin-1": b'{"text": "\xe9", "description": "x"}',
    "UTF-16": GOOD.decode().encode("utf-16") + b"\xff",
    "overlong NUL": b'{"text": "\xc0\x80", "description": "x"}',
    "raw NUL": b'{"text": "a\0b", "description": "x"}',
    "encoded surrogate": b'{"text": "\xed\xa0\x80", "description": "x"}',
    "name twice": b'{"text": "a", "text": "b", "description": "x"}',
    "name twice, written in two ways": b'{"text": "a", "te\\u0078t": "b", "description": "x"}',
    "name twice, far inside": fields(more=', "x": [{"a": {"b": 1, "b": 2}}]'),
    "NUL in a name": fields(more=', "a\\u0000": 1'),
    "half a pair in a name": fields(more=', "\\ud800": 1'),
    **{f"{depth} lists deep": b"[" * depth + b"]" * depth for depth in (100, 1_000, 10_000, 100_000)},
    **{
        f"{depth} objects deep": fields(more=', "x": ' + '{"a":' * depth + "1" + "}" * depth)
        for depth in (32, 1_000, 40_000)
    },
    **{
        f"lists in a value, {depth}": fields(more=', "x": ' + "[" * depth + "]" * depth) for depth in (32, 999, 100_000)
    },
    **{f"number {text[:12]}, {len(text)} long": fields(more=f', "x": {text}') for text in NUMBERS},
    **{f"text {text!a}": fields(f'"{text}"') for text in STRINGS},
    **{f"unknown key with {text!a}": fields(more=f', "x": "{text}"') for text in STRINGS},
    **{f"text is {text}": fields(text) for text in WRONG_TYPES},
    **{f"id is {ascii(text)[:30]}": fields(more=f', "parent_core_value_id": {text}') for text in ID_VALUES},
}


async def post(world: World, body: bytes | AsyncIterator[bytes], path: str = "/core_values", **more: str) -> int:
    headers = {**JSON, **more, "Authorization": f"Bearer {world.ours.admin.token}"}
    async with world.peerly.session.post(world.peerly.url + path, data=body, headers=headers) as answer:
        told = await answer.json(content_type=None)
        assert answer.status < 300 or set(told) == {"error"}, told
        return answer.status


@pytest.mark.parametrize("body", BAD.values(), ids=BAD.keys())
async def test_f44_what_is_not_right_is_400(world: World, body: bytes) -> None:
    assert await post(world, body) == 400


async def test_f44_the_deepest_that_is_taken(world: World) -> None:
    inner = b"[" * 31 + b"]" * 31
    assert await post(world, b'{"text": "Deep courage", "description": "To dare", "x": ' + inner + b"}") == 201


async def post_later(world: World, body: bytes) -> int:
    """Asks again, as the answer of a process that has too much to do says."""
    await asyncio.sleep(1)
    return await post(world, body)


def mangled(chance: random.Random) -> bytes:
    """JSON with a piece of it replaced, doubled, moved or taken away."""
    body = bytearray(
        json.dumps({"text": "a" * chance.randrange(40), "description": "x", "extra": [1, {"a": None}]}).encode()
    )
    for _ in range(chance.randint(1, 3)):
        place = chance.randrange(len(body))
        piece = chance.choice(_PIECES) if chance.random() < 0.7 else bytes([chance.randrange(256)])
        body[place : place + chance.randrange(3)] = piece
    return bytes(body)


_PIECES = [
    b"NaN",
    b"1e999",
    b"\\u0000",
    b"\\ud800",
    b"[" * 40,
    b"{" * 2_000,
    b'"',
    b"\\",
    b"}",
    b",",
    b":",
    b"\0",
    b"\xff",
    b"null",
    b'{"a":1,"a":2}',
    b"9" * 5_000,
    b"true",
    b"\\u",
    b"-",
    b"\xed\xa0\x80",
    b"[",
    b"]",
    b'"text":',
    b"0" * 30,
    b"\xe2\x80\xae",
]


@pytest.mark.timeout(600)
async def test_f44_thousands_of_broken_bodies_never_break_it(world: World) -> None:
    chance, places = random.Random(44), asyncio.Semaphore(AT_ONCE)

    async def once(body: bytes) -> int:
        async with places:
            status = await post(world, body)
            return status if status != BUSY else await post_later(world, body)

    answers = Counter(await asyncio.gather(*(once(mangled(chance)) for _ in range(RANDOM))))
    assert answers.total() == RANDOM
    assert set(answers) <= {201, 400, 409}, answers
    assert answers[400] > RANDOM / 2


async def raw(world: World, *sent: bytes, pause: float = 0.0) -> bytes:
    """The first answer on a connection of its own, to pieces that are sent without waiting for it."""
    place = urlsplit(world.peerly.url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port)
    try:
        for piece in sent:
            writer.write(piece)
            await asyncio.sleep(pause)
        async with asyncio.timeout(12):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()


def head(world: World, *lines: str) -> bytes:
    asked = ["POST /core_values HTTP/1.1", "Host: a", f"Authorization: Bearer {world.ours.admin.token}", *lines]
    return "\r\n".join([*asked, "Content-Type: application/json", "", ""]).encode()


ENDLESS = {
    "a gigabyte is announced": ("Content-Length: 1000000000", b"x" * 300_000),
    "chunks without end": ("Transfer-Encoding: chunked", b"10000\r\n" + b"x" * 65_536 + b"\r\n"),
    "a chunk of a gigabyte": ("Transfer-Encoding: chunked", b"3b9aca00\r\n" + b"x" * 300_000),
}


@pytest.mark.parametrize(("line", "piece"), ENDLESS.values(), ids=ENDLESS.keys())
async def test_f43_a_huge_body_is_413_before_a_megabyte_of_it_came(world: World, line: str, piece: bytes) -> None:
    times = 5 if len(piece) < 100_000 else 1
    answer = await raw(world, head(world, line), *([piece] * times))
    assert answer.startswith(b"HTTP/1.1 413 "), answer


async def test_f43_many_huge_bodies_fill_no_memory(world: World) -> None:
    process = process_at(urlsplit(world.peerly.url).port or 0)
    before = process.memory_info().rss
    pieces = [head(world, "Content-Length: 1000000000"), *([b"x" * 65_536] * 8)]
    answers = await asyncio.gather(*(raw(world, *pieces) for _ in range(40)))
    assert {answer.split()[1] for answer in answers} == {b"413"}
    assert process.memory_info().rss - before <= 20 * 1024 * 1024


def process_at(port: int) -> psutil.Process:
    [pid] = {
        one.pid
        for one in psutil.net_connections("tcp")
        if one.status == "LISTEN" and one.laddr and one.laddr.port == port
    }
    return psutil.Process(pid)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP", "identity, gzip", "x-gzip", "zstd"])
async def test_f43_a_compressed_body_is_not_even_opened(world: World, coding: str) -> None:
    assert await post(world, b"\x1f\x8b" + b"\0" * 200, **{"Content-Encoding": coding}) in {400, 415}


async def test_f44_a_body_that_does_not_arrive_is_400_after_five_seconds(world: World) -> None:
    began = time.monotonic()
    answer = await raw(world, head(world, "Content-Length: 200"), b"{")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert 4 < time.monotonic() - began < 10
