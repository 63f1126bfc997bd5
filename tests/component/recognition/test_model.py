"""Allowances against a model: random spends, limits, adjustments, days, hides, restores, departures and returns."""

from __future__ import annotations

import itertools
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.contracts.recognition import Allowance, Hi5Refunded, Hi5Spent, Hi5sReceivedChanged
from shared.identity import Role
from tests.component.recognition.world import NEXT_USER, Api, World
from tests.support.api import Caller

ORGANISATIONS = itertools.count(100)
PEOPLE, THANKS = 3, 4
person, thanks, limit = st.integers(0, PEOPLE - 1), st.integers(0, THANKS - 1), st.integers(0, 4)
amounts = st.lists(st.integers(-2, 3), max_size=3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("gives"), person, thanks),
        st.tuples(st.just("gives"), person, thanks),
        st.tuples(st.just("gives"), person, thanks),
        st.tuples(st.just("limits"), limit),
        st.tuples(st.just("adjusts"), person, amounts),
        st.tuples(st.just("sleeps")),
        st.tuples(st.just("hides"), thanks),
        st.tuples(st.just("restores"), thanks),
        st.tuples(st.just("leaves"), person),
        st.tuples(st.just("returns"), person),
    ),
    min_size=8,
    max_size=40,
)


@dataclass(slots=True)
class Model:
    """What should be so. Hi5s are keyed by giver and recognition, with the day on which they were given."""

    limit: int = 2
    adjusted: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    net: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    away: set[int] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)
    live: dict[tuple[int, int], int] = field(default_factory=dict)
    day: int = 0

    def gives(self, giver: int, to: int) -> tuple[int, str | int]:
        """The status, and what is left or the error's code."""
        if to in self.hidden:
            return 400, "invalid_data"
        if giver == receiver_of(to) or (giver, to) in self.live:
            return 422, "unprocessable_entity"
        if giver in self.away:
            return 401, "invalid_token"
        left = self.limit + self.adjusted[giver] - self.net[giver]
        if left <= 0:
            return 400, "insufficient_hi5_balance"
        self.net[giver] += 1
        self.live[giver, to] = self.day
        return 201, left - 1

    def hides(self, what: int) -> None:
        self.hidden.add(what)
        for (giver, to), day in list(self.live.items()):
            if to == what and day == self.day:
                del self.live[giver, to]
                self.net[giver] -= 1

    def sleeps(self) -> None:
        self.day += 1
        self.net.clear()
        self.adjusted.clear()

    def received(self, person_: int) -> int:
        return sum(receiver_of(to) == person_ and to not in self.hidden for _, to in self.live)


def receiver_of(thanks_: int) -> int:
    return thanks_ % PEOPLE


@dataclass(slots=True)
class Play:
    """The same steps in the service and in the model, in an organisation of its own."""

    api: Api
    world: World
    org_id: int
    people: list[Caller]
    recognitions: list[int]
    model: Model = field(default_factory=Model)
    reviews: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    async def start(cls, api: Api, world: World) -> Play:
        org_id = next(ORGANISATIONS)
        await world.organisation(org_id)
        people = await world.newcomers(PEOPLE, org_id)
        admin = Caller(next(NEXT_USER), Role.ORGANISATION_ADMIN, org_id)
        value_id = await api.new_value("Value", admin)
        recognitions = [await api.given(admin, people[receiver_of(number)], value_id) for number in range(THANKS)]
        await world.policy(2, org_id)
        return cls(api, world, org_id, people, recognitions)

    async def gives(self, giver: int, to: int) -> None:
        answer = await self.api.hi5(self.people[giver], self.recognitions[to])
        told = answer.meta["hi5_quota_balance"] if answer.status == 201 else answer.error["code"]
        assert (answer.status, told) == self.model.gives(giver, to)

    async def limits(self, limit_: int) -> None:
        self.model.limit = limit_
        await self.world.policy(limit_, self.org_id)

    async def adjusts(self, whom: int, amounts_: list[int]) -> None:
        self.model.adjusted[whom] = sum(amounts_)
        await self.world.adjusts(self.people[whom], *amounts_)

    async def sleeps(self) -> None:
        self.model.sleeps()
        await self.world.a_day_passes(self.org_id)

    async def hides(self, what: int) -> None:
        self.model.hides(what)
        assert await self.world.hides(self.recognitions[what], self._next_review(what), self.org_id) == "handled"

    async def restores(self, what: int) -> None:
        self.model.hidden.discard(what)
        assert await self.world.restores(self.recognitions[what], self._next_review(what), self.org_id) == "handled"

    def _next_review(self, what: int) -> int:
        self.reviews[what] += 1
        return self.reviews[what]

    async def leaves(self, who: int) -> None:
        self.model.away.add(who)
        await self.world.leaves(self.people[who])

    async def returns(self, who: int) -> None:
        self.model.away.discard(who)
        await self.world.returns(self.people[who])

    async def check(self) -> None:
        assert await self.world.broken(self.org_id) == {}
        await self._check_balances()
        await self._check_counts()
        await self._check_events()

    async def _check_balances(self) -> None:
        query = """
        SELECT user_id, spent_total - refunded_total AS net FROM allowances
        WHERE starts_at <= clock_timestamp() AND ends_at > clock_timestamp()
        """
        rows = await self.world.rows(query, org_id=self.org_id)
        running = {row["user_id"]: row["net"] for row in rows}
        for number, caller in enumerate(self.people):
            assert running.get(caller.user_id, 0) == self.model.net[number]

    async def _check_counts(self) -> None:
        told = {event.user_id: event.count for event in await self.world.told(Hi5sReceivedChanged, self.org_id)}
        for number, caller in enumerate(self.people):
            expected = self.model.received(number)
            assert await self.world.received(caller) == told.get(caller.user_id, 0) == expected

    async def _check_events(self) -> None:
        """Each allowance's events have the numbers 1 to n, move by one, and end in the row's state."""
        blocks: dict[int, dict[int, Allowance]] = defaultdict(dict)
        spent = [event.allowance for event in await self.world.told(Hi5Spent, self.org_id)]
        refunded = [event.allowance for event in await self.world.told(Hi5Refunded, self.org_id)]
        for block in spent + refunded:
            blocks[block.id][block.seq] = block
        rows = {row["id"]: row for row in await self.world.rows("SELECT * FROM allowances", org_id=self.org_id)}
        for allowance_id, by_seq in blocks.items():
            assert sorted(by_seq) == list(range(1, rows[allowance_id]["seq"] + 1))
            for seq, block in by_seq.items():
                assert block.spent_total + block.refunded_total == seq
                assert 0 <= block.spent_total - block.refunded_total <= block.granted
            assert _totals(by_seq[max(by_seq)]) == tuple(rows[allowance_id][name] for name in TOTALS)


TOTALS = ("user_id", "granted", "spent_total", "refunded_total", "policy_version")


def _totals(block: Allowance) -> tuple[Any, ...]:
    return tuple(getattr(block, name) for name in TOTALS)


@given(steps=STEPS)
@settings(
    max_examples=40, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_allowances_follow_the_model(api: Api, world: World, steps: list[tuple[Any, ...]]) -> None:
    play = await Play.start(api, world)
    for name, *arguments in steps:
        await getattr(play, name)(*arguments)
    await play.check()
