"""Two organisations as recognition knows them, callers with tokens, and the events that it hears and tells."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import asyncpg
import orjson

from services.recognition.proof import INVARIANTS
from shared.contracts import Event, decode, quota
from shared.contracts import auth as people
from shared.contracts import moderation as reviews
from shared.contracts.auth import Frequency
from shared.contracts.teams import TeamChanged, TeamState
from shared.identity import Role
from shared.proof import prove
from tests.support.api import ACME, GLOBEX, Caller, Reply, ServiceApi
from tests.support.hearing import Hearing

NEXT_USER = itertools.count(1000)
E = TypeVar("E", bound=Event)
A_DAY_OLDER = """
DO $$
DECLARE
    oldest bigint;
BEGIN
    UPDATE spends SET at = at - interval '1 day' WHERE org_id = {org_id};
    UPDATE refunds SET at = at - interval '1 day' WHERE org_id = {org_id};
    UPDATE adjustments SET at = at - interval '1 day' WHERE org_id = {org_id};
    FOR oldest IN SELECT id FROM allowances WHERE org_id = {org_id} ORDER BY starts_at LOOP
        UPDATE allowances
        SET
            starts_at = starts_at - interval '1 day', ends_at = ends_at - interval '1 day',
            closed_at = closed_at - interval '1 day'
        WHERE id = oldest;
    END LOOP;
END $$
"""

ANNA = Caller(11)
BEN = Caller(12)
CLEO = Caller(13)
MODERATOR = Caller(14, Role.MODERATOR)
ADMIN = Caller(16, Role.ORGANISATION_ADMIN)
SUPER_ADMIN = Caller(1, Role.SUPER_ADMIN, None)
STRANGER = Caller(21, org_id=GLOBEX)
OTHER_STRANGER = Caller(23, org_id=GLOBEX)
FOREIGN_ADMIN = Caller(22, Role.ORGANISATION_ADMIN, GLOBEX)
NAMES = {
    ANNA: "Anna", BEN: "Ben", CLEO: "Cleo", MODERATOR: "Mo", ADMIN: "Ada",
    STRANGER: "Sam", OTHER_STRANGER: "Sue", FOREIGN_ADMIN: "Fay",
}  # fmt: skip


class Api(ServiceApi):
    """The service over HTTP."""

    async def new_value(self, text: str = "Teamwork", caller: Caller = ADMIN, **more: Any) -> Any:
        made = await self.ask(caller, "POST", "/core_values", {"text": text, "description": "Together", **more})
        assert made.status == 201, made.body
        return made.data["id"]

    async def give(self, giver: Caller, receiver: Caller, core_value_id: int, text: str = "Well done") -> Reply:
        body = {"given_for": receiver.user_id, "core_value_id": core_value_id, "text": text}
        return await self.ask(giver, "POST", "/recognitions", body)

    async def given(self, giver: Caller, receiver: Caller, core_value_id: int, text: str = "Well done") -> int:
        made = await self.give(giver, receiver, core_value_id, text)
        assert made.status == 201, made.body
        return int(made.data["id"])

    async def hi5(self, giver: Caller | None, recognition_id: Any, body: Any = None, **headers: str) -> Reply:
        return await self.ask(giver, "POST", f"/recognitions/{recognition_id}/hi5", body, **headers)

    async def feed(self, caller: Caller = ANNA, query: str = "") -> list[int]:
        answer = await self.get(caller, f"/recognitions{query}")
        assert answer.status == 200, answer.body
        return [row["id"] for row in answer.data]


@dataclass
class World(Hearing):
    """What the other services tell, and what this one has told."""

    admin_url: str
    versions: itertools.count[int] = field(default_factory=lambda: itertools.count(10))

    async def knows_everybody(self) -> None:
        for org_id in (ACME, GLOBEX):
            await self.organisation(org_id)
            await self.policy(10, org_id)
        for caller, name in NAMES.items():
            await self.joins(caller, name)

    async def organisation(
        self, org_id: int = ACME, cost: int = 0, timezone: str = "UTC", status: people.OrganisationStatus = "ACTIVE"
    ) -> None:
        await self.hears(
            people.OrganisationChanged(
                organisation_id=org_id,
                name=f"Company {org_id}",
                status=status,
                hi5_limit=10,
                hi5_quota_renewal_frequency="WEEKLY",
                timezone=timezone,
                recognition_hi5_cost=cost,
                version=next(self.versions),
            ),
            org_id,
        )

    async def policy(
        self, limit: int, org_id: int = ACME, version: int | None = None, calendars: Sequence[quota.Calendar] = ()
    ) -> None:
        running = tuple(calendars) or (quiet_calendar(),)
        version = version or next(self.versions)
        told = quota.QuotaPolicyChanged(organisation_id=org_id, version=version, limit=limit, calendars=running)
        await self.hears(told, org_id)

    async def adjusts(self, caller: Caller, *amounts: int, version: int | None = None, at: int | None = None) -> None:
        moment = int(datetime.now(UTC).timestamp()) if at is None else at
        made = tuple(quota.Adjustment(id=number, at=moment, amount=amount) for number, amount in enumerate(amounts, 1))
        version = version or next(self.versions)
        told = quota.AllowanceAdjusted(user_id=caller.user_id, version=version, adjustments=made)
        await self.hears(told, caller.org_id or 0)

    async def joins(self, caller: Caller, name: str = "New") -> None:
        await self.hears(person(people.UserJoined, caller, name), caller.org_id or 0)

    async def leaves(self, caller: Caller, version: int | None = None) -> None:
        version = version or next(self.versions)
        await self.hears(person(people.UserDeactivated, caller, "Gone", version, active=False), caller.org_id or 0)

    async def returns(self, caller: Caller, version: int | None = None) -> None:
        version = version or next(self.versions)
        await self.hears(person(people.UserRestored, caller, "Back", version), caller.org_id or 0)

    async def team(
        self, team_id: int, *people: Caller, org_id: int = ACME, state: TeamState = "kept", version: int | None = None
    ) -> None:
        member_ids = tuple(caller.user_id for caller in people)
        version = version or next(self.versions)
        told = TeamChanged(
            team_id=team_id, name=f"Team {team_id}", member_ids=member_ids, lead_id=None, state=state, version=version
        )
        await self.hears(told, org_id)

    async def newcomers(self, count: int, org_id: int = ACME) -> list[Caller]:
        callers = [Caller(next(NEXT_USER), org_id=org_id) for _ in range(count)]
        for caller in callers:
            await self.joins(caller)
        return callers

    async def hides(self, recognition_id: int, version: int, org_id: int = ACME) -> str:
        return await self.hears(review(reviews.RecognitionHidden, recognition_id, version), org_id)

    async def restores(self, recognition_id: int, version: int, org_id: int = ACME) -> str:
        return await self.hears(review(reviews.RecognitionRestored, recognition_id, version), org_id)

    async def as_administrator(self, *statements: str) -> None:
        """Does what no service may."""
        admin = await asyncpg.connect(self.admin_url, server_settings={"search_path": "recognition"})
        try:
            for statement in statements:
                await admin.execute(statement)
        finally:
            await admin.close()

    async def a_day_passes(self, org_id: int = ACME) -> None:
        """Everything that happened becomes a day older, which is what a day does."""
        await self.as_administrator(A_DAY_OLDER.format(org_id=org_id))

    async def told(self, kind: type[E], org_id: int = ACME) -> list[E]:
        """The events of one kind in their order, read by their contract."""
        query = "SELECT subject, data::text FROM outbox WHERE type = $1 AND org_id = $2 ORDER BY id"
        events = []
        for row in await self.rows(query, kind.TYPE, org_id, org_id=org_id):
            event = decode(kind.TYPE, orjson.loads(row["data"]))
            assert isinstance(event, kind)
            assert event.subject == row["subject"]
            events.append(event)
        return events

    async def received(self, caller: Caller) -> int:
        query = "SELECT count FROM received_counts WHERE user_id = $1"
        return await self.value(query, caller.user_id, org_id=caller.org_id or 0) or 0

    async def broken(self, org_id: int = ACME, *, except_unsent: bool = True) -> dict[str, dict[str, int]]:
        """The invariants that do not hold; no relay runs here, so that events stay unsent."""
        async with self.database.transaction(org_id, read_only=True) as tx:
            found = {row["id"]: dict(row["result"]) for row in await prove(tx, INVARIANTS)}
        if except_unsent:
            del found["I8"]["unsent"]
        return {id_: result for id_, result in found.items() if any(result.values())}


def quiet_calendar(frequency: Frequency = "DAILY") -> quota.Calendar:
    """A calendar whose periods end about twelve hours from now: no test sees one end by itself."""
    hour = datetime.now(UTC).hour
    zone = "UTC" if hour == 12 else f"Etc/GMT{hour - 12:+d}"
    return quota.Calendar(since=0, frequency=frequency, timezone=zone)


def person(
    kind: type[people.UserJoined | people.UserDeactivated | people.UserRestored],
    caller: Caller,
    name: str,
    version: int = 1,
    *,
    active: bool = True,
) -> Event:
    return kind(
        user_id=caller.user_id,
        email=f"{name.lower()}@example.com",
        first_name=name,
        last_name="Tester",
        display_name=f"{name} T.",
        profile_image_url=None,
        role_id=int(caller.role),
        active=active,
        generation=1,
        version=version,
    )


def review(
    kind: type[reviews.RecognitionHidden | reviews.RecognitionRestored], recognition_id: int, version: int
) -> Event:
    return kind(
        recognition_id=recognition_id, review_id=version, reviewed_by=MODERATOR.user_id, reviewed_at=1, version=version
    )
