"""A thousand sessions that end at random moments while others do: refused everywhere within a second (S12)."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
import asyncpg
import pytest

from deploy.broker import SERVICES
from shared.identity import Role
from tests.support.mint import Mint
from tests.support.processes import running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.sessions import Sessions

pytestmark = pytest.mark.alone

SECRET = "the tests' own secret, long enough"
ENDED = 1_000
"""Tokens, as the row asks for: a sign-out ends one, the other ways end every session that the person has."""
ROUNDS = {"logout": 250, "role": 110, "deactivation": 110, "password": 30}
SESSIONS_EACH = 3
PEOPLE = 24
WITH_PASSWORD = 6
"""Two hashes for each new password are most of the work of all this."""
FIRST_LOOK = 0.5
ASK_EVERY = 0.1
LONGEST_PAUSE = 0.3
GIVE_UP_SECONDS = 10.0
NOWHERE = dict.fromkeys(SERVICES, 401)


@dataclass(slots=True)
class Ends:
    """Whose tokens are made and ended, and how long each was still taken by a service after the answer."""

    sessions: Sessions
    mint: Mint
    waits: list[float] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)

    async def end(self, way: str, act: Callable[[str], Awaitable[None]], tokens: Sequence[str]) -> None:
        """One act, at a random moment, that ends all these tokens: each was taken before, and is not any more."""
        before = [(random.choice(SERVICES), token) for token in tokens]
        taken = await asyncio.gather(*(self.sessions.status(service, token) for service, token in before))
        assert set(taken) == {200}, (way, before, taken)
        await asyncio.sleep(random.uniform(0, LONGEST_PAUSE))
        await act(tokens[0])
        since = time.monotonic()
        looks = [self._refused(service, token, since) for token in tokens for service in SERVICES]
        self.waits += await asyncio.gather(*looks)
        self.ended[way] += len(tokens)

    async def _refused(self, service: str, token: str, since: float) -> float:
        """Seconds after which a service refused the token at the latest."""
        pause = FIRST_LOOK
        while True:
            await asyncio.sleep(pause)
            status = await self.sessions.status(service, token)
            took = time.monotonic() - since
            if status == 401 or took > GIVE_UP_SECONDS:
                return took
            assert status == 200
            pause = ASK_EVERY


@dataclass(slots=True)
class Person:
    """A moderator whose tokens end in one way after the other."""

    ends: Ends
    name: str
    id: int = 0
    token: str = ""
    password: str = ""
    role: Role = Role.MODERATOR

    async def join(self, *, with_password: bool) -> None:
        sessions = self.ends.sessions
        self.id = await sessions.moderator(self.name)
        self.token = await sessions.sign_in(self.name)
        if with_password:
            link = (await sessions.done("POST", f"/users/{self.id}/password-reset", sessions.admin, status=201))["link"]
            self.password = "unrelated walrus teapot 0"
            path = f"/password-resets/{link.rpartition('/')[2]}"
            await sessions.done("POST", path, body={"password": self.password})

    async def log_out(self, token: str) -> None:
        await self.ends.sessions.done("POST", "/logout", token)

    async def change_password(self, token: str) -> None:
        new = f"unrelated walrus teapot {random.random()}"
        await self.ends.sessions.done("PUT", "/users/me/password", token, {"current": self.password, "new": new})
        self.password = new

    async def change_role(self, _: str) -> None:
        """Between two roles that every route of these tests admits."""
        self.role = Role.ORGANISATION_ADMIN if self.role is Role.MODERATOR else Role.MODERATOR
        sessions = self.ends.sessions
        await sessions.done("PUT", f"/users/{self.id}", sessions.admin, {"role_id": int(self.role)})

    async def be_removed(self, _: str) -> None:
        await self.ends.sessions.done("DELETE", f"/users/{self.id}", self.ends.sessions.admin)

    async def go_through(self, ways: Sequence[str]) -> None:
        for way in ways:
            tokens = await self.ends.mint.sessions(self.token, 1 if way == "logout" else SESSIONS_EACH)
            await self.ends.end(way, self._acts[way], tokens)
            if way == "deactivation":
                sessions = self.ends.sessions
                await sessions.done("POST", f"/users/{self.id}/restore", sessions.admin)
                assert await sessions.statuses(tokens[0]) == NOWHERE

    @property
    def _acts(self) -> dict[str, Callable[[str], Awaitable[None]]]:
        return {
            "logout": self.log_out,
            "password": self.change_password,
            "role": self.change_role,
            "deactivation": self.be_removed,
        }


@pytest.fixture(scope="module")
async def ends(postgres: Postgres, rabbitmq: Rabbitmq, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Ends]:
    timeout, folder = aiohttp.ClientTimeout(total=15), tmp_path_factory.mktemp("revocation")
    async with (
        running_system(postgres, rabbitmq, folder, {"PEERLY_SECRET": SECRET}) as system,
        aiohttp.ClientSession(timeout=timeout) as http,
        asyncpg.create_pool(system.settings.database_url, min_size=1, max_size=2) as owner,
    ):
        begun = Sessions(system, http)
        await begun.begin()
        yield Ends(begun, await Mint.open(owner, SECRET))


def shared_out(people: Sequence[Person]) -> list[list[str]]:
    """The ways of each person in some order; who has a password changes it."""
    ways: list[list[str]] = [[] for _ in people]
    for way, rounds in ROUNDS.items():
        among = WITH_PASSWORD if way == "password" else len(people)
        for number in range(rounds):
            ways[number % among].append(way)
    for own in ways:
        random.shuffle(own)
    return ways


@pytest.mark.timeout(180)
async def test_s12_within_a_second_no_service_takes_a_token_that_has_ended(ends: Ends) -> None:
    people = [Person(ends, f"round-{number}") for number in range(PEOPLE)]
    joining = (person.join(with_password=number < WITH_PASSWORD) for number, person in enumerate(people))
    await asyncio.gather(*joining)
    await asyncio.gather(*(one.go_through(ways) for one, ways in zip(people, shared_out(people), strict=True)))
    assert ends.ended.total() >= ENDED, ends.ended
    assert len(ends.waits) >= ENDED * len(SERVICES)
    waits = sorted(ends.waits)
    slowest = [round(one, 3) for one in waits[-5:]]
    assert waits[int(len(waits) * 0.99)] <= 1.0, f"p99 is above a second; the slowest are {slowest}"
