"""Recognition with series, and a clock that tests move."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from environs import Env

from services.recognition.app import SERVICE
from services.recognition.giving import give_due
from services.recognition.settings import Settings
from shared.context import Context
from shared.identity import Verifier
from shared.identity.usage import Usage
from shared.service import expected_of
from tests.component.recognition.world import ANNA, BEN, Api, World
from tests.support.api import Caller, Reply, serving

PATH = "/recognition-series"
MONDAY = datetime(2040, 3, 5, 8, tzinfo=UTC)
"""9:00 in Berlin, three weeks before the clocks change there; later than any clock of a database."""
A_WEEK = timedelta(days=7)
TZ = "Europe/Berlin"


@dataclass
class Clock:
    """Stands until it is moved; `asked` counts who looked."""

    now: datetime = MONDAY - timedelta(days=1)
    asked: int = 0

    def __call__(self) -> datetime:
        self.asked += 1
        return self.now


@dataclass(frozen=True)
class Recurring:
    """The service over HTTP, its world, and the loop's turns at moments of the test's choice."""

    api: Api
    world: World
    clock: Clock
    value: int

    def body(self, **fields: Any) -> dict[str, Any]:
        return {
            "name": "Friday shout-out",
            "text": "Thanks for the week",
            "core_value_id": self.value,
            "given_for": BEN.user_id,
            "recurrence": "FREQ=WEEKLY",
            "starts_at": int(MONDAY.timestamp()),
            **fields,
        }

    async def begin(self, caller: Caller = ANNA, **fields: Any) -> Reply:
        return await self.api.ask(caller, "POST", PATH, self.body(**fields))

    async def begun(self, caller: Caller = ANNA, **fields: Any) -> dict[str, Any]:
        reply = await self.begin(caller, **fields)
        assert reply.status == 201, reply.body
        return dict(reply.data)

    async def turn(self) -> int:
        """What the loop does in one look; returns for how many series it did something."""
        return await give_due(self.world.database, self.clock)

    async def at(self, moment: datetime) -> None:
        """The loop's work at a moment, until nothing is left to do."""
        self.clock.now = moment
        while await self.turn():
            pass

    @property
    def context(self) -> Context:
        """What the loop is given."""
        settings = Settings.read("recognition", Env())
        verifier, usage = Verifier(expected_of(settings), self.clock), Usage("recognition", self.clock)
        return Context("recognition", settings, self.world.database, verifier, self.clock, usage)

    async def became_of(self, series: dict[str, Any]) -> list[tuple[str, str | None]]:
        """Day and reason of each occurrence, the oldest first; None where it was given."""
        rows = (await self.api.get(ANNA, f"{PATH}/{series['id']}/occurrences?limit=100")).data
        days = [f"{datetime.fromtimestamp(row['due_at'], UTC):%m-%d %H:%M}" for row in rows]
        assert all((row["outcome"] == "given") == (row["recognition_id"] is not None) for row in rows)
        return [(day, row["reason"]) for day, row in zip(days, rows, strict=True)][::-1]

    async def next_at(self, series: dict[str, Any]) -> datetime | None:
        seconds = (await self.api.get(ANNA, f"{PATH}/{series['id']}")).data["next_at"]
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


@asynccontextmanager
async def recurring(world: World) -> AsyncIterator[Recurring]:
    await world.organisation(timezone=TZ)
    clock = Clock()
    async with serving(SERVICE, clock) as (session, address):
        api = Api(session, address)
        yield Recurring(api, world, clock, await api.new_value())
