"""A random year or three of an organisation, and the count of all its rows by hand."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.component.recognition.test_insights import wants
from tests.component.recognition.world import Api, World
from tests.support.api import Caller

STEPS, PEOPLE = 220, 7
NOW = datetime.now(UTC)
ROWS = """
SELECT id, given_by, given_for, core_value_id, given_at FROM recognitions WHERE NOT hidden AND deleted_at IS NULL
"""
HI5S = """
SELECT thanks.given_for, thanks.core_value_id, hi5.given_at FROM hi5s AS hi5
JOIN recognitions AS thanks ON thanks.id = hi5.recognition_id
WHERE void_at IS NULL AND NOT thanks.hidden AND thanks.deleted_at IS NULL
"""
Counts = Callable[[Any], bool]


@dataclass(slots=True)
class Recount:
    """Everything that is visible, counted by hand."""

    given: Sequence[Any]
    hi5s: Sequence[Any]
    unlisted: set[int]

    def scores(self, metric: str, counts: Counts) -> dict[int, int]:
        thanks = [row for row in self.given if counts(row)]
        if metric == "hi5_received":
            return Counter(row["given_for"] for row in self.hi5s if counts(row))
        if metric == "distinct_givers":
            givers = defaultdict(set)
            for row in thanks:
                givers[row["given_for"]].add(row["given_by"])
            return {receiver: len(them) for receiver, them in givers.items()}
        return Counter(row["given_by" if metric == "recognitions_given" else "given_for"] for row in thanks)

    def board(self, metric: str, counts: Counts) -> list[tuple[int, int, int]]:
        listed = {who: value for who, value in self.scores(metric, counts).items() if who not in self.unlisted}
        return sorted(
            (1 + sum(other > value for other in listed.values()), who, value) for who, value in listed.items()
        )


@dataclass(slots=True)
class Play:
    """A random year or three of an organisation."""

    api: Api
    world: World
    chance: random.Random
    people: list[Caller]
    values: list[int]
    unlisted: set[int] = field(default_factory=set)
    reviews: Counter[int] = field(default_factory=Counter)

    def moment(self) -> datetime:
        """Often near the edges of days, months and years."""
        day = NOW - timedelta(days=self.chance.choice([0, 1, 2, 31, 32, 60, 200, 365, 400, 800]))
        if self.chance.random() < 0.5:
            day = day.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
        near = timedelta(minutes=self.chance.choice([-1440, -60, -1, 0, 0, 1, 345, 720, 1439]))
        return min(day + near, NOW)

    def since(self) -> datetime:
        """A whole second; often the first of a day, a month or a year, or before all."""
        moment = self.moment().replace(microsecond=0)
        day = moment.replace(hour=0, minute=0, second=0)
        ways = (moment, moment, day, day.replace(day=1), day.replace(month=1, day=1), datetime.fromtimestamp(0, UTC))
        return self.chance.choice(ways)

    async def steps(self, number: int) -> None:
        for _ in range(number):
            await self.step()

    async def step(self) -> None:
        await self.chance.choice([self.gives, self.gives, self.hi5s, self.hi5s, self.hi5s, *self.rare()])()

    def rare(self) -> list[Any]:
        happens = [self.voids, self.hides, self.restores, self.takes_back, self.opts, self.live]
        return [*happens, self.folds, self.overtakes]

    async def gives(self) -> None:
        giver, receiver = self.chance.sample(self.people, 2)
        await self.world.rows(
            "INSERT INTO recognitions (given_by, given_for, core_value_id, text, given_at)"
            " VALUES ($1, $2, $3, 'x', $4)",
            giver.user_id,
            receiver.user_id,
            self.chance.choice(self.values),
            self.moment(),
        )

    async def hi5s(self) -> None:
        await self.world.rows(
            "INSERT INTO hi5s (recognition_id, given_by, given_at) SELECT id, $2, $3 FROM recognitions"
            " WHERE id = $1 AND NOT hidden AND deleted_at IS NULL ON CONFLICT DO NOTHING",
            await self.one(),
            self.chance.choice(self.people).user_id,
            self.moment(),
        )

    async def live(self) -> None:
        """As people do it: over HTTP, with a spend, so that a later hide refunds it."""
        giver, receiver, other = self.chance.sample(self.people, 3)
        thanks = await self.api.given(giver, receiver, self.chance.choice(self.values))
        assert (await self.api.hi5(other, thanks)).status in {201, 400}

    async def one(self) -> int:
        ids = [row["id"] for row in await self.world.rows("SELECT id FROM recognitions ORDER BY id")]
        return int(self.chance.choice(ids or [0]))

    async def voids(self) -> None:
        await self.world.rows("UPDATE hi5s SET void_at = now() WHERE recognition_id = $1", await self.one())

    async def hides(self) -> None:
        await self.reviewed(self.world.hides)

    async def restores(self) -> None:
        await self.reviewed(self.world.restores)

    async def reviewed(self, review: Any) -> None:
        if which := await self.one():
            self.reviews[which] += 1
            await review(which, self.reviews[which])

    async def takes_back(self) -> None:
        await self.world.rows("SELECT take_back($1, 1)", await self.one())

    async def opts(self) -> None:
        who = self.chance.choice(self.people)
        listed = who.user_id in self.unlisted
        await wants(self.world, who, listed=listed)
        self.unlisted ^= {who.user_id}

    async def folds(self) -> None:
        await self.world.rows("SELECT fold_insights($1)", self.chance.choice([1, 7, 1000]))

    async def overtakes(self) -> None:
        """What takes away is folded before what it takes from: changes are in no order."""
        await self.world.as_administrator("UPDATE insight_changes SET day = day WHERE recognitions > 0 OR hi5s > 0")

    async def recount(self) -> Recount:
        return Recount(await self.world.rows(ROWS), await self.world.rows(HI5S), self.unlisted)


async def begin(api: Api, world: World, seed: int) -> Play:
    """A play in which nothing has happened."""
    people = await world.newcomers(PEOPLE)
    values = [await api.new_value(text) for text in ("One", "Two", "Three")]
    return Play(api, world, random.Random(seed), people, values)
