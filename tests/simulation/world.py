"""One organisation and its people, from the first event to rest; one seed is one world."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

import asyncpg

from services.auth.commands.organisations import create_organisation
from services.auth.commands.people import Enrolment, enrol_people
from services.auth.domain.profiles import Profile
from services.auth.store.tenants import working_for
from services.catalogue import SERVICES
from services.recognition.commands.core_values import create_core_value
from shared.backlog import Backlog, backlog
from shared.bus.message import Unconfirmed
from shared.identity import Principal, Role
from tests.simulation.asks import Ask, principal
from tests.simulation.bus import SimulatedBus
from tests.simulation.clock import Time
from tests.simulation.database import CrashPoints, SimulatedDatabase
from tests.simulation.node import HEADS_EVERY, Node

PATIENCE = timedelta(seconds=31)
LONGEST_REST = 40
TOGETHER = 32
TELLS = ("recognition", "quota")
"""Whose handlers write events."""


class Violation(AssertionError):
    """An invariant does not hold."""


@dataclass(slots=True)
class Ground:
    """What worlds share: the databases of one process, where its services' processes can end, and the time."""

    databases: dict[str, SimulatedDatabase]
    auditors: dict[str, asyncpg.Connection[asyncpg.Record]]
    admin: asyncpg.Connection[asyncpg.Record]
    points: CrashPoints
    time: Time

    def monotonic(self) -> float:
        """The seconds of the world that lives now."""
        return self.time.monotonic()


@dataclass
class World:
    seed: int
    ground: Ground
    dice: Random
    time: Time
    skews: dict[str, timedelta]
    bus: SimulatedBus
    nodes: dict[str, Node] = field(default_factory=dict)
    org_id: int = 0
    core_value_id: int = 0
    admin: Principal | None = None
    people: list[Principal] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    news: set[str] = field(default_factory=lambda: {"auth"})
    trace: list[str] = field(default_factory=list)

    @classmethod
    async def begin(cls, seed: int, ground: Ground, start: datetime, settings: dict[str, Any], people: int) -> World:
        dice = Random(seed)
        skews = {service.name: timedelta(seconds=dice.choice((0, 0, 0, -2, 2, 45))) for service in SERVICES}
        ground.time = Time(start)
        world = cls(seed, ground, dice, ground.time, skews, SimulatedBus(ground.points))
        for service in SERVICES:
            clock = world.time.seen_by(skews[service.name])
            world.nodes[service.name] = Node(service, ground.databases[service.name], world.bus, ground.points, clock)
        await world._found(settings, people)
        return world

    async def _found(self, settings: dict[str, Any], people: int) -> None:
        auth = self.nodes["auth"]
        async with auth.database.transaction(0) as tx:
            made = await create_organisation(tx, settings, (), auth.clock())
            async with working_for(tx, made.id):
                joined = await enrol_people(tx, [self._enrolment(made.id, n) for n in range(people)], auth.clock())
        self.org_id = made.id
        self.limits.append(settings["hi5_limit"])
        everybody = [principal(made.id, person.id, person.role) for person in sorted(joined, key=lambda one: one.id)]
        self.admin, *self.people = everybody
        async with self.nodes["recognition"].database.transaction(self.org_id) as tx:
            value = await create_core_value(
                tx, {"text": "Care", "description": "-", "parent_core_value_id": None, "thumbnail": None}
            )
        self.core_value_id = value.id

    @staticmethod
    def _enrolment(org_id: int, number: int) -> Enrolment:
        role = Role.EMPLOYEE if number else Role.ORGANISATION_ADMIN
        return Enrolment(f"p{number}@o{org_id}.example.com", Profile("First", f"Last{number}", f"P{number}"), role)

    def told(self, what: str) -> None:
        self.trace.append(f"{self.time.now:%Y-%m-%d %H:%M:%S.%f} {what}")

    async def read(self, service: str, query: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self.nodes[service].database.transaction(self.org_id) as tx:
            return list(await tx.fetch(query, *arguments))

    async def attempt(self, ask: Ask) -> bool:
        node = self.nodes[ask.service]
        survived = await node.survives(ask.attempt(node.database))
        self.news.add(ask.service)
        self.told(str(ask) if survived else f"{ask}: {ask.service} crashes")
        return survived

    async def relay(self, service: str) -> bool:
        """One round of a relay; tells whether something was sent."""
        node = self.nodes[service]
        busy: list[bool] = []

        async def work() -> None:
            busy.append(await node.relay._guarded_round())

        survived = await node.survives(work())
        if survived:
            self.news.discard(service)
        self.told(f"relay of {service}" if survived else f"relay of {service} crashes")
        return survived and busy[0]

    async def deliver(self, service: str, places: Sequence[int]) -> None:
        deliveries = self.bus.take(service, places)
        if service in TELLS:
            self.news.add(service)
        node = self.nodes[service]
        if len(deliveries) == 1:
            work: Awaitable[None] = node.consumer.receive(deliveries[0])
        else:
            work = node.consumer.receive_together(deliveries)
        if await node.survives(work):
            self.bus.acknowledge(service, deliveries)
            self.told(f"{service} receives {len(deliveries)}")
        else:
            self.bus.give_back(service, deliveries)
            self.told(f"{service} crashes with {len(deliveries)}")

    async def look_after(self, service: str) -> None:
        """What a consumer does beside its queue: parked events that are due, and missing ones."""
        node = self.nodes[service]

        async def work() -> None:
            await node.consumer._retry_due()
            with suppress(Unconfirmed):
                await node.consumer._ask_for_missing()

        survived = await node.survives(work())
        self.told(f"{service} looks after what waits" if survived else f"{service} crashes looking after what waits")

    async def come_to_rest(self) -> None:
        """Everybody gets an answer, and everything arrives, without further faults. Raises `Violation`."""
        self.bus.silence = None
        for ask in self.asks:
            while not ask.answered:
                await self.attempt(ask)
        for _ in range(LONGEST_REST):
            await self.drain()
            self.time.move(HEADS_EVERY)
            if await self.drain(heads=True):
                continue
            waiting = {name: await backlog(node.database) for name, node in self.nodes.items()}
            if all(one.empty for one in waiting.values()):
                return
            if any(one.dead for one in waiting.values()):
                break
            self.time.move(PATIENCE)
            for name, one in waiting.items():
                if one.parked or one.missing:
                    await self.look_after(name)
        else:
            waiting = {name: await backlog(node.database) for name, node in self.nodes.items()}
        raise Violation(f"I8 not at rest: {_stuck(waiting)}")

    async def drain(self, *, heads: bool = False) -> bool:
        """Publishes and handles until nothing moves; tells whether more than the heads did."""
        moved = False
        first = heads
        while True:
            busy = [await self.relay(name) for name in self.nodes if first or await self._has_news(name)]
            first = False
            moved |= any(busy)
            if self.bus.empty and not any(busy):
                return moved
            for name in self.nodes:
                while queue := self.bus.queues[name]:
                    await self.deliver(name, range(min(len(queue), TOGETHER)))

    async def _has_news(self, service: str) -> bool:
        query = "SELECT EXISTS (SELECT FROM outbox WHERE sent_at IS NULL) OR EXISTS (SELECT FROM replays)"
        return bool(await self.nodes[service].database.fetch_value(query))


def _stuck(waiting: dict[str, Backlog]) -> str:
    return "; ".join(f"{name} {one}" for name, one in waiting.items() if not one.empty)
