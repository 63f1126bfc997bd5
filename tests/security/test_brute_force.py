"""Guesses that are stopped: at one account, at many, from one address, from everywhere (S23)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from tests.support.databases import Databases
from tests.support.guessing import WRONG, World, guessing

pytestmark = pytest.mark.alone

GUESSES = 10_000
PER_ACCOUNT_AND_ADDRESS, PER_ADDRESS, PER_ACCOUNT = 10, 100, 100


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with guessing(databases, tmp_path_factory.mktemp("guessing")) as made:
        yield made


async def test_s23_from_everywhere_an_account_is_guessed_at_a_hundred_times_at_most(world: World) -> None:
    person, home = await world.somebody(), "198.51.100.7"
    assert (await world.log_in(person.email, address=home)).status == 200
    places = GUESSES // PER_ACCOUNT_AND_ADDRESS
    tries = [(person.email, f"203.0.{place >> 8}.{place & 255}") for place in range(places)]
    answers = await world.guess(tries * PER_ACCOUNT_AND_ADDRESS)
    assert answers.total() == GUESSES
    assert 1 <= answers[401] <= PER_ACCOUNT
    assert answers == {401: answers[401], 429: GUESSES - answers[401]}
    assert (await world.log_in(person.email)).status == 429
    assert (await world.log_in(person.email, address=home)).status == 200
    await world.let_pass(minutes=16)
    assert (await world.log_in(person.email)).status == 200


async def test_s23_from_one_address_an_account_is_guessed_at_ten_times(world: World) -> None:
    person = await world.somebody()
    answers = await world.guess([(person.email, "192.0.2.10")] * 50)
    assert answers == {401: PER_ACCOUNT_AND_ADDRESS, 429: 50 - PER_ACCOUNT_AND_ADDRESS}
    assert (await world.log_in(person.email, address="192.0.2.10")).status == 429
    assert (await world.log_in(person.email)).status == 200


ALIKE: dict[str, Callable[[int], str]] = {
    "a network of IPv6": lambda number: f"2001:db8:1:2::{number:x}",
    "hops that a client made up": lambda number: f"192.0.2.{number}, 203.0.113.9",
    "IPv4 written as IPv6": lambda number: "::ffff:203.0.113.10" if number % 2 else "203.0.113.10",
}


@pytest.mark.parametrize("address", ALIKE.values(), ids=ALIKE.keys())
async def test_s23_addresses_of_one_client_count_as_one(world: World, address: Callable[[int], str]) -> None:
    person = await world.somebody()
    answers = await world.guess([(person.email, address(number)) for number in range(1, 31)])
    assert answers == {401: PER_ACCOUNT_AND_ADDRESS, 429: 30 - PER_ACCOUNT_AND_ADDRESS}


async def test_s23_from_one_address_all_accounts_are_guessed_at_a_hundred_times(world: World) -> None:
    """One password for many accounts, of which one is somebody's."""
    person = await world.somebody()
    accounts = [f"nobody-{number}@{world.company.domain}" for number in range(PER_ADDRESS + 29)] + [person.email]
    answers = await world.guess([(account, "192.0.2.20") for account in accounts])
    assert answers == {401: PER_ADDRESS, 429: 30}
    assert (await world.log_in(person.email, address="192.0.2.20")).status == 429
    assert (await world.log_in(person.email)).status == 200


async def test_s23_changing_the_password_is_no_way_around_the_limits(world: World) -> None:
    person = await world.somebody()
    token = (await world.log_in(person.email)).data["token"]
    statuses = []
    for number in range(PER_ACCOUNT_AND_ADDRESS + 2):
        body = {"current": f"{WRONG} {number}", "new": "another unrelated walrus"}
        headers = {"X-Forwarded-For": "192.0.2.30"}
        reply = await world.peerly.ask("PUT", "/users/me/password", token=token, body=body, headers=headers)
        statuses.append(reply.status)
    assert statuses == [400] * PER_ACCOUNT_AND_ADDRESS + [429] * 2
