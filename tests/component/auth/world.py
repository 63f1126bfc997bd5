"""Auth over HTTP: two organisations with their people, callers with tokens, a clock that can be moved."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import asyncpg
import orjson

from services.auth.app import HANDLERS
from services.auth.commands.organisations import create_organisation
from services.auth.commands.people import Enrolment, enrol_people
from services.auth.domain.names import domain_of
from services.auth.domain.people import Person
from services.auth.domain.profiles import profile_of_names
from services.auth.hashing import Hasher
from services.auth.tokens import GOOGLE_SESSION, WITH_GOOGLE, Owner, Signer
from shared.clock import utc_now
from shared.context import Context
from shared.contracts import Event
from shared.identity import Role
from shared.identity.principal import SYSTEM_ORGANISATION
from tests.support.api import Reply
from tests.support.google import Google
from tests.support.hearing import Hearing

PASSWORD = "unrelated walrus teapot"
SECRET = "the tests' own secret, long enough"
_addresses = itertools.count(1)
_hashes: list[str] = []


@dataclass(slots=True)
class MovableClock:
    """The present, shifted."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.ahead


@dataclass(slots=True)
class World:
    """The running service and everybody in it."""

    context: Context
    session: aiohttp.ClientSession
    address: str
    google: Google
    clock: MovableClock
    owner: asyncpg.Connection[asyncpg.Record]
    acme: int = 0
    globex: int = 0
    people: dict[str, Person] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    async def populate(self) -> None:
        self.acme = await self.organisation("Acme", "acme.test")
        self.globex = await self.organisation("Globex", "globex.test")
        await self.enrol(SYSTEM_ORGANISATION, {"root": Role.SUPER_ADMIN})
        staff = {
            "ada": Role.ORGANISATION_ADMIN,
            "abe": Role.ORGANISATION_ADMIN,
            "emil": Role.EMPLOYEE,
            "mona": Role.MODERATOR,
        }
        await self.enrol(self.acme, staff)
        await self.enrol(self.globex, {"gus": Role.ORGANISATION_ADMIN, "gina": Role.EMPLOYEE})

    async def organisation(self, name: str, *domains: str, **settings: Any) -> int:
        wanted = {
            "name": name,
            "contact_email": "office@example.com",
            "hi5_limit": 10,
            "hi5_quota_renewal_frequency": "WEEKLY",
            "timezone": "Europe/Berlin",
            **settings,
        }
        async with self.context.database.transaction(SYSTEM_ORGANISATION) as tx:
            made = await create_organisation(tx, wanted, [domain_of(one) for one in domains], self.clock())
        return made.id

    async def enrol(self, org_id: int, roles: dict[str, Role]) -> None:
        """People with the tests' password and a token each."""
        hashed = await self.hash_of_password()
        domain = {self.acme: "acme.test", self.globex: "globex.test"}.get(org_id, "peerly.test")
        enrolments = [
            Enrolment(f"{name}@{domain}", profile_of_names(name.title(), "Tester"), role, hashed)
            for name, role in roles.items()
        ]
        async with self.context.database.transaction(org_id) as tx:
            for person in await enrol_people(tx, enrolments, self.clock()):
                self.people[person.first_name.lower()] = person
                self.tokens[person.first_name.lower()] = await self.sign(tx, person)

    async def hash_of_password(self) -> str:
        """A slow thing made to be slow; once is enough for all tests."""
        if not _hashes:
            hasher = self.context.get(Hasher)
            async with hasher.place():
                _hashes.append(await hasher.hash(PASSWORD))
        return _hashes[0]

    async def sign(self, tx: Any, person: Person) -> str:
        owner = Owner(person.id, person.org_id, "Somewhere", int(person.role), person.generation)
        return await self.context.get(Signer).begin(tx, owner, GOOGLE_SESSION, WITH_GOOGLE)

    def id_of(self, name: str) -> int:
        return self.people[name].id

    def email_of(self, name: str) -> str:
        return self.people[name].email

    async def ask(self, who: str | None, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """A request by somebody of the world, by their name, or by the bearer of a token."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            sent.setdefault("Authorization", f"Bearer {self.tokens.get(who, who)}")
        async with self.session.request(method, self.address + path, json=body, headers=sent) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def get(self, who: str | None, path: str, **headers: str) -> Reply:
        return await self.ask(who, "GET", path, **headers)

    async def put(self, who: str | None, path: str, body: Any, **headers: str) -> Reply:
        return await self.ask(who, "PUT", path, body, **headers)

    async def post(self, who: str | None, path: str, body: Any = None, **headers: str) -> Reply:
        return await self.ask(who, "POST", path, body, **headers)

    async def delete(self, who: str | None, path: str, **headers: str) -> Reply:
        return await self.ask(who, "DELETE", path, **headers)

    async def sign_in(self, name: str, password: str = PASSWORD, address: str | None = None) -> Reply:
        """A sign-in by name of the world or by user name, from an address of its own unless one is given."""
        username = self.people[name].email if name in self.people else name
        number = next(_addresses)
        address = address or f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        return await self.post(None, "/login", {"username": username, "password": password}, X_Forwarded_For=address)

    async def google_sign_in(self, access_token: str, **headers: str) -> Reply:
        return await self.post(None, "/oauth/google", {"access_token": access_token}, **headers)

    async def hears(self, event: Event, org_id: int) -> None:
        """An event of another service arrives."""
        await Hearing(self.context.database, HANDLERS, utc_now).hears(event, org_id)

    async def told(self, kind: type[Event], **data: Any) -> list[dict[str, Any]]:
        """The published events of a kind whose data has these values, in their order."""
        rows = await self.owner.fetch("SELECT org_id, data::text FROM outbox WHERE type = $1 ORDER BY id", kind.TYPE)
        events = [{"org_id": row["org_id"], **orjson.loads(row["data"])} for row in rows]
        return [event for event in events if all(event[name] == value for name, value in data.items())]
