"""What happens in a world, drawn from its seed alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from services.auth.commands.endings import Ending
from services.auth.commands.organisations import Change, change_organisation
from services.auth.commands.people import delete_person, restore_person
from services.auth.store.organisations import lock_organisation
from services.auth.store.people import find_person
from services.moderation.commands import Review, review_recognition
from services.quota.commands import Adjusting, adjust
from services.recognition.commands.recognitions import ChangeRecognition, change_recognition, take_back_recognition
from shared.database import Connection
from shared.errors import NotFound
from shared.identity import Principal
from tests.simulation.asks import Ask, Hi5, Recognise, Written
from tests.simulation.bus import Silence
from tests.simulation.checks import check_rest, check_step
from tests.simulation.themes import LEAPS, STARTS, WEIGHTS, ZONES, theme_of
from tests.simulation.world import Ground, World

PEOPLE = 4
FAVOURITE = 0.4
"""How often a recognition is the first one again."""
MOST_ATTEMPTS = 3
"""A message that was under way in more crashes than that counts as poison, after five."""


def any_version(version: int) -> None:
    """No `If-Match`."""


class Schedule:
    """Draws one step after the other."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dice = world.dice
        self.zone = "UTC"
        self.theme = theme_of(world.seed)
        weights = {**WEIGHTS, **self.theme.weights}
        self.steps = {name: getattr(self, name) for name in weights}
        self.weights = list(weights.values())
        self.hidden: set[int] = set()

    @classmethod
    async def of(cls, seed: int, ground: Ground) -> Schedule:
        dice = Random(f"start of {seed}")
        zone = dice.choice(ZONES)
        start = dice.choice(STARTS).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
        settings = {
            "name": f"World {seed}",
            "contact_email": "",
            "hi5_limit": dice.choice(theme_of(seed).limits),
            "hi5_quota_renewal_frequency": dice.choice(theme_of(seed).frequencies),
            "timezone": zone,
            "recognition_hi5_cost": dice.choice((0, 0, 1)),
        }
        schedule = cls(await World.begin(seed, ground, start, settings, PEOPLE))
        schedule.zone = zone
        if dice.random() < 0.85:
            await schedule.world.drain()
        return schedule

    async def run(self, steps: int) -> None:
        """Raises `Violation`."""
        for _ in range(steps):
            await self._step()
        await self.world.come_to_rest()
        await check_rest(self.world)

    async def _step(self) -> None:
        self.world.time.move(timedelta(milliseconds=self.dice.randint(20, 900)))
        if self.dice.random() < 0.15:
            self.world.ground.points.arm(self.dice.randint(0, 14))
        name = self.dice.choices(list(self.steps), self.weights)[0]
        touched = await self.steps[name]()
        self.world.ground.points.disarm()
        if touched in ("recognition", "quota"):
            await check_step(self.world, touched)

    async def give_hi5(self) -> str | None:
        giver = self._somebody()
        known = [made for made, receiver in self._thanks() if receiver != giver.user_id or self.dice.random() < 0.05]
        if not known:
            return await self.recognise()
        return await self._ask(Hi5(giver, self._next(), self._one_of(known)))

    async def recognise(self) -> str | None:
        giver, receiver = self.dice.sample(self.world.people, 2)
        return await self._ask(Recognise(giver, self._next(), receiver.user_id, self.world.core_value_id))

    async def go_on(self) -> str | None:
        waiting = [ask for ask in self.world.asks if not ask.answered]
        if not waiting:
            return await self.deliver()
        ask = self.dice.choice(waiting)
        await self.world.attempt(ask)
        return ask.service if ask.made is not None else None

    async def adjust(self) -> str | None:
        asking = Adjusting(self._somebody().user_id, self.dice.choice((-2, -1, 1, 1, 2)), "Because")
        clock = self.world.nodes["quota"].clock

        async def effect(tx: Connection) -> int:
            return (await adjust(tx, self._admin, asking, clock())).id

        return await self._ask(self._written("quota", f"/quota/users/{asking.user_id}/adjustments", effect))

    async def review(self) -> str | None:
        known = [made for made, _ in self._thanks()]
        if not known:
            return await self.recognise()
        subject = self._one_of(known)
        hides = (subject not in self.hidden) is (self.dice.random() < 0.9)
        (self.hidden.add if hides else self.hidden.discard)(subject)
        review = Review(recognition_id=subject, is_inappropriate=hides, comment=None)

        async def effect(tx: Connection) -> int:
            return (await review_recognition(tx, self._admin, review)).id

        return await self._ask(self._written("moderation", f"/recognitions/{review.recognition_id}/review", effect))

    async def take_back(self) -> str | None:
        """By whoever gave it or by the admin."""
        known = [ask for ask in self.world.asks if isinstance(ask, Recognise) and ask.made is not None]
        if not known:
            return await self.recognise()
        given = self.dice.choice(known)
        remover = self.dice.choice((given.caller, self._admin))

        async def effect(tx: Connection) -> int:
            if not await take_back_recognition(tx, remover, given.made or 0, any_version):
                raise NotFound
            return given.made or 0

        return await self._ask(Written(remover, self._next(), "recognition", f"/recognitions/{given.made}", effect))

    async def change_text(self) -> str | None:
        known = [ask for ask in self.world.asks if isinstance(ask, Recognise) and ask.made is not None]
        if not known:
            return await self.recognise()
        given = self.dice.choice(known)
        wanted = ChangeRecognition(
            recognition_id=given.made or 0, text=f"Thanks {self._next()}", check_version=any_version
        )

        async def effect(tx: Connection) -> int:
            if not await change_recognition(tx, given.caller, wanted):
                raise NotFound
            return wanted.recognition_id

        return await self._ask(
            Written(given.caller, self._next(), "recognition", f"/recognitions/{given.made}", effect)
        )

    async def change_settings(self) -> str | None:
        name, values = self.dice.choice(self.theme.changes)
        settings: dict[str, Any] = {name: self.dice.choice(values)}
        if name == "hi5_limit":
            self.world.limits.append(settings[name])
        clock = self.world.nodes["auth"].clock

        async def effect(tx: Connection) -> int:
            present = await lock_organisation(tx, self.world.org_id)
            assert present is not None
            return (await change_organisation(tx, present, Change(settings, None), clock(), Ending())).version

        return await self._ask(self._written("auth", "/organisations", effect))

    async def leave_or_return(self) -> str | None:
        person = self._somebody()
        clock = self.world.nodes["auth"].clock

        async def effect(tx: Connection) -> int:
            await lock_organisation(tx, self.world.org_id)
            known = await find_person(tx, person.user_id, locked=True)
            assert known is not None
            if known.is_present:
                await delete_person(tx, self._admin, known, clock(), Ending())
            else:
                await restore_person(tx, known)
            return known.version

        return await self._ask(self._written("auth", f"/users/{person.user_id}", effect))

    async def relay(self) -> str | None:
        likely = sorted(self.world.news) or tuple(self.world.nodes)
        await self.world.relay(self.dice.choice(likely if self.dice.random() < 0.95 else tuple(self.world.nodes)))
        return None

    async def deliver(self) -> str | None:
        waiting = [name for name, queue in self.world.bus.queues.items() if queue]
        if not waiting:
            return await self.relay()
        service = self.dice.choice(waiting)
        queue = self.world.bus.queues[service]
        many = self.dice.choice((1, 1, 1, 4, 12))
        places = self.dice.sample(range(len(queue)), min(many, len(queue)))
        if self.dice.random() < 0.5:
            places.sort()
        if max(queue[place].attempts for place in places) >= MOST_ATTEMPTS:
            self.world.ground.points.disarm()
        await self.world.deliver(service, places)
        return service

    async def deliver_again(self) -> str | None:
        """An acknowledgement was lost, or a relay sent twice."""
        waiting = [name for name, past in self.world.bus.past.items() if past]
        if waiting:
            service = self.dice.choice(waiting)
            again = self.dice.choice(self.world.bus.past[service])
            self.world.bus.queues[service].append(again)
            self.world.told(f"{service} is to receive something again")
        return None

    async def look_after(self) -> str | None:
        service = self.dice.choice(tuple(self.world.nodes))
        await self.world.look_after(service)
        return service

    async def wipe(self) -> str | None:
        self.world.told(f"the broker forgets {self.world.bus.wipe()}")
        return None

    async def silence(self) -> str | None:
        self.world.bus.silence = Silence(self.dice.randint(0, 3), arrives=self.dice.random() < 0.5)
        return None

    async def wait(self) -> str | None:
        self.world.time.move(timedelta(seconds=self.dice.choice((1, 5, 12, 35, 70))))
        return None

    async def leap(self) -> str | None:
        """Some hours or days pass, or just the time to the next midnight, give or take a few seconds."""
        if self.dice.random() < 0.5:
            self.world.time.move(self.dice.choice(LEAPS))
        else:
            local = self.world.time.now.astimezone(ZoneInfo(self.zone))
            midnight = datetime(local.year, local.month, local.day, tzinfo=local.tzinfo) + timedelta(days=1)
            self._move_to(midnight.astimezone(UTC) + timedelta(seconds=self.dice.choice((-3, -1, 0, 1, 60))))
        return None

    def _move_to(self, moment: datetime) -> None:
        self.world.time.move(max(timedelta(), moment - self.world.time.now))

    async def _ask(self, ask: Ask) -> str | None:
        self.world.asks.append(ask)
        await self.world.attempt(ask)
        return ask.service if ask.made is not None else None

    def _written(self, service: str, route: str, effect: Callable[[Connection], Awaitable[int]]) -> Written:
        return Written(self._admin, self._next(), service, route, effect)

    @property
    def _admin(self) -> Principal:
        assert self.world.admin is not None
        return self.world.admin

    def _one_of(self, known: list[int]) -> int:
        return known[0] if self.dice.random() < FAVOURITE else self.dice.choice(known)

    def _somebody(self) -> Principal:
        return self.dice.choice(self.world.people)

    def _next(self) -> int:
        return len(self.world.asks) + 1

    def _thanks(self) -> list[tuple[int, int]]:
        """The recognitions that clients have been told of, with their receivers."""
        return [
            (ask.made, ask.given_for) for ask in self.world.asks if isinstance(ask, Recognise) and ask.made is not None
        ]
