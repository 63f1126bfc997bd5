"""Two organisations as quota knows them, callers with tokens, and the events that it hears."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from shared.contracts import Event
from shared.contracts import auth as people
from shared.contracts import recognition as events
from shared.contracts.auth import Frequency
from shared.contracts.recognition import Allowance
from shared.identity import Role
from tests.support.api import ACME, GLOBEX, Caller, Reply, ServiceApi
from tests.support.hearing import Hearing

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
"""A Wednesday; the week began on the 13th."""
WEEK = (int(datetime(2026, 7, 13, tzinfo=UTC).timestamp()), int(datetime(2026, 7, 20, tzinfo=UTC).timestamp()))
LIMIT = 10

ANNA = Caller(11, Role.EMPLOYEE, ACME)
BEN = Caller(12, Role.MODERATOR, ACME)
ADMIN = Caller(16, Role.ORGANISATION_ADMIN, ACME)
SUPER_ADMIN = Caller(1, Role.SUPER_ADMIN, None)
STRANGER = Caller(21, Role.EMPLOYEE, GLOBEX)
FOREIGN_ADMIN = Caller(22, Role.ORGANISATION_ADMIN, GLOBEX)
PEOPLE = (ANNA, BEN, ADMIN, STRANGER, FOREIGN_ADMIN)


@dataclass(slots=True)
class Clockwork:
    """The time as the test sets it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now


class Api(ServiceApi):
    """The service over HTTP."""

    async def adjust(
        self, caller: Caller | None, user_id: Any, amount: Any, reason: Any = "Well earned", **headers: str
    ) -> Reply:
        body = {"amount": amount, "reason": reason}
        return await self.ask(caller, "POST", f"/quota/users/{user_id}/adjustments", body, **headers)

    async def quota(self, caller: Caller) -> Any:
        return (await self.get(caller, "/quota/me")).data

    async def lines(self, caller: Caller, user_id: int) -> Any:
        return (await self.get(caller, f"/quota/users/{user_id}/ledger")).data


@dataclass
class World(Hearing):
    """What the other services tell, and what this one has told."""

    clock: Clockwork

    async def hears(
        self, event: Event, org_id: int = ACME, event_id: UUID | None = None, at: datetime | None = None
    ) -> str:
        kept = await super().hears(event, org_id, event_id, at)
        await self.hears_released()
        return kept

    async def hears_released(self) -> None:
        """Handles what was released from parking, until nothing more is."""
        while await self.hears_again():
            pass

    async def knows_everybody(self) -> None:
        for org_id in (ACME, GLOBEX):
            await self.hears(organisation(org_id=org_id), org_id, at=NOON - timedelta(days=365))
        for caller in PEOPLE:
            await self.hears(joined(caller), caller.org_id or 0)

    async def told(self, wire_type: str, org_id: int = ACME) -> list[dict[str, Any]]:
        """The events of a type that quota has written, in their order."""
        rows = await self.rows(
            "SELECT data::text FROM outbox WHERE type = $1 AND org_id = $2 ORDER BY id", wire_type, org_id
        )
        return [orjson.loads(row["data"]) for row in rows]


def organisation(
    version: int = 1,
    limit: int = LIMIT,
    frequency: Frequency = "WEEKLY",
    timezone: str = "UTC",
    *,
    org_id: int = ACME,
) -> people.OrganisationChanged:
    return people.OrganisationChanged(
        organisation_id=org_id,
        name="Acme",
        status="ACTIVE",
        hi5_limit=limit,
        hi5_quota_renewal_frequency=frequency,
        timezone=timezone,
        recognition_hi5_cost=0,
        version=version,
    )


def joined(caller: Caller, *, active: bool = True, version: int = 1) -> people.UserChanged:
    return people.UserChanged(
        user_id=caller.user_id,
        email=f"user{caller.user_id}@example.com",
        first_name="First",
        last_name="Last",
        display_name="First Last",
        profile_image_url=None,
        role_id=int(caller.role),
        active=active,
        generation=1,
        version=version,
    )


@dataclass(slots=True)
class Spender:
    """Recognition's side of one allowance: makes its events in order, as recognition would."""

    user_id: int = ANNA.user_id
    id: int = 501
    window: tuple[int, int] = WEEK
    target: int = LIMIT
    policy_version: int = 1
    adjustments_version: int = 0
    epoch: int = 1
    seq: int = 0
    spent: int = 0
    refunded: int = 0

    @property
    def net(self) -> int:
        return self.spent - self.refunded

    def knows(self, adjustment: Any) -> None:
        """An adjustment's event has reached recognition."""
        self.target += adjustment["amount"]
        self.adjustments_version = adjustment["id"]

    def copy(self) -> Spender:
        return replace(self)

    def _next(self) -> Allowance:
        self.seq += 1
        return Allowance(
            id=self.id,
            user_id=self.user_id,
            seq=self.seq,
            starts_at=self.window[0],
            ends_at=self.window[1],
            granted=max(self.target, self.net),
            spent_total=self.spent,
            refunded_total=self.refunded,
            policy_version=self.policy_version,
            adjustments_version=self.adjustments_version,
            epoch=self.epoch,
        )

    def hi5(self) -> events.Hi5Spent:
        assert self.net < self.target
        self.spent += 1
        return events.Hi5Spent(
            hi5_id=self.id * 1000 + self.seq,
            recognition_id=700 + self.seq,
            given_by=self.user_id,
            given_for=99,
            given_at=self.window[0] + self.seq,
            comment=None,
            allowance=self._next(),
        )

    def recognition(self, *, cost: int = 1) -> events.RecognitionGiven:
        self.spent += cost
        return events.RecognitionGiven(
            recognition_id=800 + self.seq,
            given_by=self.user_id,
            given_for=99,
            core_value_id=5,
            text="Well done",
            given_at=self.window[0] + self.seq,
            cost=cost,
            imported=False,
            allowance=self._next() if cost else None,
            version=1,
        )

    def refund(self) -> events.Hi5Refunded:
        assert self.net > 0
        self.refunded += 1
        return events.Hi5Refunded(
            spend_id=self.seq,
            kind="hi5",
            hi5_id=1,
            recognition_id=700,
            given_by=self.user_id,
            refunded_at=self.window[0] + self.seq,
            reason="hidden",
            allowance=self._next(),
        )
