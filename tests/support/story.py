"""The main job as its people see it, over HTTP alone: thank, hi5, report, review; and what must be true after it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp

from tests.support.waiting import eventually

LIMIT = 5
PASSWORD = "the story's long enough password"
CAUGHT_UP_SECONDS = 15.0
MODERATOR, EMPLOYEE, ORGANISATION_ADMIN = 4, 3, 2
AWAY = (aiohttp.ClientConnectionError, TimeoutError)


@dataclass
class Person:
    """Somebody signed in."""

    id: int
    email: str
    token: str


@dataclass
class Story:
    """One new organisation at an installation; thanking and judging go on until taken, whatever is down meanwhile."""

    url: str
    session: aiohttp.ClientSession
    admin_email: str
    admin_password: str
    people: dict[str, Person] = field(default_factory=dict)
    org_id: int = 0
    value_id: int = 0
    recognition_ids: list[int] = field(default_factory=list)

    async def begin(self) -> None:
        """An organisation with an admin, a moderator and three employees, one with a password; a core value."""
        root = await self._password_sign_in(self.admin_email, self.admin_password)
        domain = f"story-{secrets.token_hex(4)}.test"
        asked = {
            "name": domain, "domain_names": [domain], "contact_email": f"office@{domain}", "hi5_limit": LIMIT,
            "hi5_quota_renewal_frequency": "QUARTERLY", "timezone": "Asia/Kolkata",
        }  # fmt: skip
        self.org_id = (await self.post("/organisations", root, asked, 201))["id"]
        roles = {"boss": ORGANISATION_ADMIN, "judge": MODERATOR, "ann": EMPLOYEE, "ben": EMPLOYEE, "cyd": EMPLOYEE}
        for name, role in roles.items():
            self.people[name] = await self._member(f"{name}@{domain}", role, root)
        await self._set_password("cyd")
        value = {"text": "Care", "description": "We look after each other"}
        self.value_id = (await self.until_taken("/core_values", "boss", value))["id"]

    async def thank(self) -> int:
        """Ann thanks Ben, Cyd and the boss agree; gives the recognition's id."""
        asked = {"given_for": self.people["ben"].id, "core_value_id": self.value_id, "text": "For the night shift"}
        given = await self.until_taken("/recognitions", "ann", asked)
        for name in ("cyd", "boss"):
            await self.until_taken(f"/recognitions/{given['id']}/hi5", name, {"comment": "Yes"})
        self.recognition_ids.append(given["id"])
        return int(given["id"])

    async def report_and_hide(self, recognition_id: int) -> None:
        asked = {"mark_as": "incorrect", "reason": "It was the day shift"}
        await self.until_taken(f"/recognitions/{recognition_id}/report", "cyd", asked)
        await self.until_taken(f"/recognitions/{recognition_id}/review", "judge", {"is_inappropriate": True})
        self.recognition_ids.remove(recognition_id)

    async def check(self) -> None:
        """Once all have caught up: what is hidden is gone, every balance agrees everywhere, the books are proved."""
        await eventually(self._feed_is_right, within=CAUGHT_UP_SECONDS, every=0.2)
        for name in ("ann", "cyd", "boss"):
            await eventually(partial(self._balance_is_right, name), within=CAUGHT_UP_SECONDS, every=0.2)
        await eventually(self.prove, within=CAUGHT_UP_SECONDS, every=0.2)

    async def _feed_is_right(self) -> None:
        listed = await self.get("/recognitions", "ben")
        assert sorted(one["id"] for one in listed) == sorted(self.recognition_ids)
        assert all(one["hi5_count"] == 2 for one in listed)
        assert (await self.get("/users/me", "ben"))["hi5_count"] == 2 * len(self.recognition_ids)

    async def _balance_is_right(self, name: str) -> None:
        expected = LIMIT if name == "ann" else LIMIT - len(self.recognition_ids)
        assert (await self.get("/quota/me", name))["balance"] == expected
        assert (await self.get("/users/me", name))["hi5_quota_balance"] == expected

    async def prove(self) -> None:
        for path in ("/quota/proof", "/hi5s/proof"):
            broken = [one for one in await self.get(path, "boss") if not one["holds"]]
            assert not broken, broken

    async def get(self, path: str, name: str) -> Any:
        status, body = await self._ask("GET", path, self.people[name].token)
        assert status == 200, (path, status, body)
        return body["data"]

    async def post(self, path: str, token: str, body: dict[str, Any], status: int) -> Any:
        answered, said = await self._ask("POST", path, token, body)
        assert answered == status, (path, answered, said)
        return said["data"]

    async def until_taken(self, path: str, name: str, body: dict[str, Any]) -> Any:
        """Sends one request, with one idempotency key, until the services it needs are there and have heard of us."""
        key = {"Idempotency-Key": secrets.token_hex(16)}
        answers: list[Any] = []

        async def is_taken() -> bool:
            status, said = await self._ask("POST", path, self.people[name].token, body, key)
            answers.append(said)
            assert status in (201, 400, 401, 409, 502, 503, 504), (path, status, said)
            assert status == 201, (path, status, said)
            return True

        await eventually(is_taken, within=CAUGHT_UP_SECONDS, every=0.2)
        return answers[-1]["data"]

    async def _ask(
        self,
        method: str,
        path: str,
        token: str = "",
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """A gateway that is away answers nothing: status 503 of our own making."""
        sent = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        try:
            async with self.session.request(method, self.url + path, json=body, headers=sent) as answer:
                return answer.status, await answer.json(content_type=None)
        except AWAY as away:
            return 503, {"error": {"code": "unavailable", "message": repr(away)}}

    async def _member(self, email: str, role: int, root: str) -> Person:
        token = await self._google_sign_in(email)
        _, said = await self._ask("GET", "/users/me", token)
        person = Person(said["data"]["id"], email, token)
        if role != EMPLOYEE:
            status, said = await self._ask("PUT", f"/users/{person.id}", root, {"role_id": role})
            assert status == 200, said
            person.token = await self._google_sign_in(email)
        return person

    async def _set_password(self, name: str) -> None:
        person = self.people[name]
        made = await self.post(f"/users/{person.id}/password-reset", self.people["boss"].token, {}, 201)
        status, said = await self._ask(
            "POST", "/password-resets/" + made["link"].rpartition("/")[2], "", {"password": PASSWORD}
        )
        assert status == 200, said
        person.token = await self._password_sign_in(person.email, PASSWORD)

    async def _google_sign_in(self, email: str) -> str:
        return str((await self.post("/oauth/google", "", {"access_token": email}, 200))["token"])

    async def _password_sign_in(self, email: str, password: str) -> str:
        return str((await self.post("/login", "", {"username": email, "password": password}, 200))["token"])
