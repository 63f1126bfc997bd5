"""Passwords that are refused, taken, and compared whole (S22)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.databases import Databases
from tests.support.guessing import PASSWORD, World, guessing


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with guessing(databases, tmp_path_factory.mktemp("guessing")) as made:
        yield made


REFUSED: dict[str, Any] = {
    "empty": "",
    "one letter": "x",
    "eight, as with another factor": "x4!kQ9_p",
    "fourteen": "x4!kQ9_pL2@vN7",
    "fourteen of four bytes": "\U0001f9ed\U0001f40b" * 7,
    "fifteen that compose to fourteen": "e\u0301bcdfghjklmnpq",
    "257": "xyzzy plugh " * 21 + "hello",
    "1,025": "ab3" * 341 + "xy",
    "a number": 123456789012345,
    "null": None,
    "a list": ["unrelated walrus teapot"],
    "with an end of text": "unrelated walrus\0 teapot",
    "half a surrogate pair": "unrelated walrus \ud800",
    "a common one twice": "passwordpassword",
    "two common ones": "password123456789",
    "in capitals": "PASSWORDPASSWORD",
    "spaced out": "p a s s w o r d 1 2 3 4 5 6",
    "digits in a row": "123456789012345",
    "digits backwards": "987654321987654321",
    "one character": "a" * 20,
    "only spaces": " " * 20,
    "three characters": "abc" * 6,
    "the alphabet": "abcdefghijklmnopqrstuvwxyz",
    "the keyboard": "qwertyuiopasdfghjkl",
    "a long common one": "1q2w3e4r5t6y7u8i9o0p",
}
TAKEN = {
    "fifteen": "x4!kQ9_pL2@vN7z",
    "no digit, no capital": "correct horse battery",
    "only digits": "801445862739107",
    "64": "seven dwarves sail around the cape while nobody counts the stars",
    "72": "k7" * 3 + "umbrella lamp " * 4 + "over the t",
    "256": "".join(chr(0x4E00 + number * 7 % 999) for number in range(256)),
    "Chinese": "密码是很长的一二三四五六七八九",
    "umlauts": "unbequem, Käse & Mühle",
    "smileys": "\U0001f600 smileys \U0001f680 are fine",
    "spaces around": "  walrus with a teapot  ",
    "quotes": '\' OR 1=1; -- "walrus"',
    "a line break": "walrus\nand teapot here",
    "right to left": "סוס ים עם קומקום תה",
    "composed": "caf\u00e9 au lait sans sucre",
    "decomposed": "cre\u0301me de la cre\u0301me",
}


def test_s22_the_tables_are_long_enough() -> None:
    assert len(REFUSED) + len(TAKEN) >= 40
    assert len(TAKEN["64"]) == 64


async def test_tm3_an_account_is_set_up_by_a_link_and_signs_in_for_a_quarter_of_an_hour(world: World) -> None:
    person = await world.peerly.newcomer(world.company.domain)
    assert (await world.log_in(person.email)).status == 401
    link = await world.link(person)
    assert [(await world.use(link, PASSWORD)).status for _ in range(2)] == [200, 400]
    one, other = [(await world.log_in(person.email)).data for _ in range(2)]
    assert set(one) == {"token", "expires_in"}
    assert one["expires_in"] == 900
    body = {"current": PASSWORD, "new": "another unrelated walrus"}
    fresh = await world.peerly.expect(200, "PUT", "/users/me/password", token=one["token"], body=body)
    replies = [await world.peerly.ask("GET", "/users/me", token=session["token"]) for session in (one, other, fresh)]
    assert [reply.status for reply in replies] == [401, 401, 200]


@pytest.mark.parametrize("name", REFUSED)
async def test_s22_such_a_password_is_refused(world: World, name: str) -> None:
    reply = await world.use(await world.link(world.company.colleague), REFUSED[name])
    assert (reply.status, set(reply.error["fields"])) == (400, {"password"})


@pytest.mark.parametrize("name", TAKEN)
async def test_s22_such_a_password_is_taken_and_nothing_else_signs_in(world: World, name: str) -> None:
    person, password = world.company.colleague, TAKEN[name]
    assert (await world.use(await world.link(person), password)).status == 200
    assert (await world.log_in(person.email, password)).status == 200
    for other in (password[:-1], password + "x"):
        assert (await world.log_in(person.email, other)).status == 401


async def test_s22_no_password_is_cut(world: World) -> None:
    """bcrypt would compare 72 bytes, and some would stop at an end of text."""
    long = "walrus " * 10 + "and a teapot at the very end of all of it"
    person = await world.somebody(long)
    for length in (64, 71, 72, 73, len(long) - 1):
        assert (await world.log_in(person.email, long[:length])).status == 401
        assert (await world.log_in(person.email, long[:length] + "#" * (len(long) - length))).status == 401
    assert (await world.log_in(person.email, long)).status == 200


async def test_s22_an_accent_may_be_typed_either_way(world: World) -> None:
    person = await world.somebody("caf\u00e9 au lait sans sucre")
    assert (await world.log_in(person.email, "cafe\u0301 au lait sans sucre")).status == 200
