"""Two organisations as moderation knows them, callers with tokens, and the events that it hears."""

from __future__ import annotations

from typing import Any

import orjson

from shared.contracts import auth as people
from shared.contracts import recognition as events
from shared.identity import Role
from tests.support.api import ACME, GLOBEX, Caller, Reply, ServiceApi
from tests.support.hearing import Hearing

GIVEN_AT = 1_700_000_000

ANNA = Caller(11, Role.EMPLOYEE, ACME)
BEN = Caller(12, Role.EMPLOYEE, ACME)
CLEO = Caller(13, Role.EMPLOYEE, ACME)
MODERATOR = Caller(14, Role.MODERATOR, ACME)
OTHER_MODERATOR = Caller(15, Role.MODERATOR, ACME)
ADMIN = Caller(16, Role.ORGANISATION_ADMIN, ACME)
SUPER_ADMIN = Caller(1, Role.SUPER_ADMIN, None)
STRANGER = Caller(21, Role.EMPLOYEE, GLOBEX)
FOREIGN_ADMIN = Caller(22, Role.ORGANISATION_ADMIN, GLOBEX)
PEOPLE = {
    ANNA: "Anna", BEN: "Ben", CLEO: "Cleo", MODERATOR: "Mo", OTHER_MODERATOR: "Max", ADMIN: "Ada",
    STRANGER: "Sam", FOREIGN_ADMIN: "Fay",
}  # fmt: skip


class Api(ServiceApi):
    """The service over HTTP."""

    async def report(
        self, caller: Caller | None, recognition_id: Any, mark_as: Any = "fraud", reason: Any = "Never happened"
    ) -> Reply:
        return await self.ask(
            caller, "POST", f"/recognitions/{recognition_id}/report", {"mark_as": mark_as, "reason": reason}
        )

    async def review(self, caller: Caller | None, recognition_id: Any, is_inappropriate: Any) -> Reply:
        return await self.ask(
            caller, "POST", f"/recognitions/{recognition_id}/review", {"is_inappropriate": is_inappropriate}
        )

    async def hide(self, caller: Caller | None, recognition_id: Any) -> Reply:
        return await self.review(caller, recognition_id, True)

    async def dismiss(self, caller: Caller | None, recognition_id: Any) -> Reply:
        return await self.review(caller, recognition_id, False)

    async def case(self, recognition_id: int) -> Any:
        return (await self.get(MODERATOR, f"/moderation/cases/{recognition_id}")).data


class World(Hearing):
    """What the other services tell, and what this one has told."""

    async def knows_everybody(self) -> None:
        for org_id, name in ((ACME, "Acme"), (GLOBEX, "Globex")):
            await self.hears(organisation(org_id, name), org_id)
        for caller, name in PEOPLE.items():
            await self.hears(joined(caller, name), caller.org_id or 0)

    async def told(self, recognition_id: int, org_id: int = ACME) -> list[tuple[str, dict[str, Any]]]:
        """The events about a recognition in their order."""
        query = "SELECT type, data::text FROM outbox WHERE subject = $1 ORDER BY id"
        rows = await self.rows(query, f"recognition/{recognition_id}", org_id=org_id)
        return [(row["type"], orjson.loads(row["data"])) for row in rows]


def organisation(org_id: int, name: str) -> people.OrganisationCreated:
    return people.OrganisationCreated(
        organisation_id=org_id,
        name=name,
        status="ACTIVE",
        hi5_limit=10,
        hi5_quota_renewal_frequency="WEEKLY",
        timezone="UTC",
        recognition_hi5_cost=0,
        version=1,
    )


def joined(caller: Caller, name: str) -> people.UserJoined:
    return people.UserJoined(
        user_id=caller.user_id,
        email=f"{name.lower()}@example.com",
        first_name=name,
        last_name="Tester",
        display_name=f"{name} T.",
        profile_image_url=None,
        role_id=int(caller.role),
        active=True,
        generation=1,
        version=1,
    )


def given(
    recognition_id: int, by: Caller = ANNA, to: Caller = BEN, text: str = "Well done", version: int = 1
) -> events.RecognitionGiven:
    return events.RecognitionGiven(
        recognition_id=recognition_id,
        given_by=by.user_id,
        given_for=to.user_id,
        core_value_id=5,
        text=text,
        given_at=GIVEN_AT,
        cost=0,
        imported=False,
        allowance=None,
        version=version,
    )


def changed(recognition_id: int, text: str, version: int = 2) -> events.RecognitionChanged:
    return events.RecognitionChanged(recognition_id=recognition_id, text=text, version=version)


def deleted(recognition_id: int, version: int = 3) -> events.RecognitionDeleted:
    return events.RecognitionDeleted(
        recognition_id=recognition_id, deleted_by=ANNA.user_id, deleted_at=GIVEN_AT + 60, version=version
    )
