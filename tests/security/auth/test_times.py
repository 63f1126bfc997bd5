"""The time that an answer takes tells nobody whose account there is (S24)."""

from __future__ import annotations

import itertools
import secrets
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest

from services.auth.commands.people import Enrolment, enrol_people
from services.auth.domain.profiles import profile_of_names
from services.auth.hashing import Hasher
from tests.component.auth.world import World
from tests.support.api import Reply

pytestmark = pytest.mark.alone

TIMINGS = 1_000
"""Of each kind, as the row asks for."""
MOST_APART = 0.05
TRIES = 3
ACCOUNTS = 15
"""Each is guessed fewer times than block it."""
PASSWORD = "unrelated walrus teapot"

Request = Callable[[], Awaitable[Reply]]


@pytest.fixture
def quick(world: World) -> Iterator[Hasher]:
    """A hash of a millisecond: with the real one, fifty times as long, whatever else differs would be lost in it."""
    real, quick = world.context.get(Hasher), Hasher(passes=1, kibibytes=2_048)
    world.context.provide(quick)
    yield quick
    world.context.provide(real)
    quick.close()


async def apart(one: Request, other: Request) -> float:
    """By which part the usual times of two kinds of requests differ, taken in turn so that both meet the same load.

    A difference that there is comes again; one that the machine makes in a moment does not.
    """
    least = 1.0
    for _ in range(TRIES):
        least = min(least, abs(await _ratio(one, other) - 1))
        if least < MOST_APART:
            break
    return least


async def _ratio(one: Request, other: Request) -> float:
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(TIMINGS):
        for place in (0, 1) if number % 2 else (1, 0):
            began = time.perf_counter()
            await (one, other)[place]()
            times[place].append(time.perf_counter() - began)
    return statistics.median(times[0]) / statistics.median(times[1])


async def enrolled(world: World, hasher: Hasher) -> list[str]:
    async with hasher.place():
        hashed = await hasher.hash(PASSWORD)
    names = [f"guessed-{secrets.token_hex(4)}@acme.test" for _ in range(ACCOUNTS)]
    enrolments = [Enrolment(name, profile_of_names("Guessed", "Tester"), password_hash=hashed) for name in names]
    async with world.context.database.transaction(world.acme) as tx:
        await enrol_people(tx, enrolments, world.clock())
    return names


def signing_in(world: World, names: list[str]) -> Request:
    """Wrong passwords for one of these after the other; all of it is forgotten before one is blocked."""
    turns = itertools.count()

    async def request() -> Reply:
        turn = next(turns)
        if turn % (90 * len(names)) == 0:
            await world.owner.execute("DELETE FROM sign_in_attempts")
        reply = await world.sign_in(names[turn % len(names)], "a wrong password, long enough")
        assert reply.status == 401
        return reply

    return request


@pytest.mark.timeout(180)
async def test_s24_an_unknown_account_takes_as_long_as_a_known_one(world: World, quick: Hasher) -> None:
    known = await enrolled(world, quick)
    unknown = [name.replace("guessed", "unknown") for name in known]
    assert await apart(signing_in(world, known), signing_in(world, unknown)) < MOST_APART


@pytest.mark.timeout(180)
async def test_s24_an_unknown_link_takes_as_long_as_a_used_one(world: World, quick: Hasher) -> None:
    made = await world.post("ada", f"/users/{world.id_of('emil')}/password-reset")
    used = made.data["link"].rpartition("/")[2]
    assert (await world.post(None, f"/password-resets/{used}", {"password": PASSWORD})).status == 200

    async def known() -> Reply:
        return await world.post(None, f"/password-resets/{used}", {"password": PASSWORD})

    async def unknown() -> Reply:
        return await world.post(None, f"/password-resets/{secrets.token_urlsafe(32)}", {"password": PASSWORD})

    assert (await known()).status == (await unknown()).status == 400
    assert await apart(known, unknown) < MOST_APART
