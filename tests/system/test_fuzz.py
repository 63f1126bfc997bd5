"""Thousands of requests made from the OpenAPI document: no 5xx, and no answer that the document does not describe."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import CheckFunction, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services import documents
from shared.identity import Role
from shared.openapi import COMMON_HEADERS
from tests.support.cases import CASES, ROOT
from tests.support.databases import Databases, build_template
from tests.support.installation import Company, Installation, Member, installation
from tests.support.lengths import LONG
from tests.support.staging import Ids, Stage

REQUESTS = int(os.environ.get("PEERLY_FUZZ_REQUESTS") or (20_000 if LONG else 5_000))
SEED = int(os.environ.get("PEERLY_FUZZ_SEED", "1"))
THINGS = 4
SECONDS = 20
CALLERS = (Role.ORGANISATION_ADMIN, Role.ORGANISATION_ADMIN, Role.EMPLOYEE, Role.MODERATOR, None)
CHECKS: list[CheckFunction] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
]


def without_credentials(document: dict[str, Any]) -> dict[str, Any]:
    """The document for the generator: for whom a request is, and for how long, is not its to say."""
    for by_verb in document["paths"].values():
        for described in by_verb.values():
            described.pop("security", None)
            own = [one for one in described["parameters"] if one["name"] not in COMMON_HEADERS]
            described["parameters"] = own
    return document


SCHEMA = schemathesis.openapi.from_dict(without_credentials(documents.merged()))
OPERATIONS = {found.ok().label: found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)}
SHARE = math.ceil(REQUESTS / len(OPERATIONS))
T = TypeVar("T")


@pytest.fixture(scope="module")
async def peerly(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installation]:
    database = await databases.make(build_template)
    async with installation(database, tmp_path_factory.mktemp("fuzz")) as running:
        yield running
    await databases.drop(database)


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that is there: path and query to it, a body that works, and ids that a body may refer to."""

    ids: Ids
    query: Ids
    body: Any
    references: Mapping[str, Any]


class Callers:
    """Tokens that work, whatever the requests before did to them. Asked from another thread than the loop's."""

    def __init__(self, peerly: Installation, company: Company, loop: asyncio.AbstractEventLoop) -> None:
        self._peerly, self._company, self._loop = peerly, company, loop
        self._root: Member | None = None

    def headers(self, role: Role | None) -> dict[str, str]:
        """Of somebody in this role; None sends no credential."""
        if role is None:
            return {}
        if role is Role.SUPER_ADMIN:
            self._root = self._root or self._wait(self._peerly.super_admin())
            return {"Authorization": f"Bearer {self._root.token}", "X-Org-Id": str(self._company.id)}
        return {"Authorization": f"Bearer {self._company.member(role).token}"}

    def renew(self) -> None:
        """Somebody was signed out, removed or given another role: they come back, or others take their places."""
        self._root = None
        self._company = self._wait(self._renewed(self._company))

    async def _renewed(self, company: Company) -> Company:
        before = (company.admin, company.moderator, company.employee)
        with suppress(AssertionError):
            admin, moderator, employee = [await self._peerly.sign_in(member.email) for member in before]
            if [one.role for one in before] == [admin.role, moderator.role, employee.role]:
                return replace(company, admin=admin, moderator=moderator, employee=employee)
        return await self._peerly.company()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)


@dataclass(slots=True)
class Fuzz:
    """One operation's requests; half of them are about a thing that is there."""

    operation: APIOperation[Any, Any, Any, Any]
    address: str
    callers: Callers
    things: Sequence[Thing]
    sent: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    session: requests.Session = field(default_factory=requests.Session)

    def run(self) -> None:
        """Sends the operation's share, rightly and wrongly formed ones in turn."""
        for turn in range(SHARE):
            self._some(GenerationMode.POSITIVE if turn % 2 == 0 else GenerationMode.NEGATIVE, turn)
            if self.sent >= SHARE:
                return

    def _some(self, mode: GenerationMode, turn: int) -> None:
        @seed(SEED + turn)
        @settings(
            max_examples=min(30, SHARE - self.sent),
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(
            case=self.operation.as_strategy(generation_mode=mode),
            place=st.integers(0, 2 * THINGS - 1),
            role=st.sampled_from(self._roles()),
        )
        def send(case: Case[Any], place: int, role: Role | None) -> None:
            checks = CHECKS if self._aim(case, place) else [*CHECKS, negative_data_rejection]
            self._send(case, role, checks)

        with suppress(Unsatisfiable):  # what takes no input cannot be asked wrongly
            send()

    def _roles(self) -> Sequence[Role | None]:
        return (Role.SUPER_ADMIN, None) if CASES[self.operation.label].who == ROOT else CALLERS

    def _aim(self, case: Case[Any], place: int) -> bool:
        """Turns half of the cases to what is there; tells whether it did."""
        if place >= THINGS:
            return False
        thing = self.things[place]
        if case.path_parameters:
            case.path_parameters = dict(thing.ids)
        if thing.query:
            case.query = {**thing.query, **dict(list((case.query or {}).items())[:place])}
        if isinstance(case.body, dict):
            case.body = self._nearly_right(case.body, place)
        return True

    def _nearly_right(self, made: dict[str, Any], place: int) -> dict[str, Any]:
        """For some things a body that works but for one field, for the others the made one with ids that exist."""
        thing = self.things[place]
        if made and isinstance(thing.body, dict) and place < THINGS // 2:
            strange = sorted(made)[self.sent % len(made)]
            return {**thing.body, strange: made[strange]}
        return made | {name: value for name, value in thing.references.items() if name in made}

    def _send(self, case: Case[Any], role: Role | None, checks: list[CheckFunction]) -> None:
        self.sent += 1
        headers = self.callers.headers(role) | {"X-Forwarded-For": f"198.51.100.{self.sent % 250 + 1}"}
        try:
            response = case.call(self.address, self.session, headers, timeout=SECONDS)
            case.validate_response(response, checks)
        except FailureGroup as group:
            self.failures.setdefault(", ".join(sorted(failure.title for failure in group.exceptions)), str(group))
            return
        except requests.RequestException as error:
            self.failures.setdefault(type(error).__name__, f"{error!r}\n{case.as_curl_command(headers)}")
            return
        if role is not None and response.status_code == 401:
            self.callers.renew()


def test_s32_every_operation_is_tried() -> None:
    assert set(OPERATIONS) == set(CASES)


async def thing(stage: Stage, label: str) -> Thing:
    case = CASES[label]
    references = {name: await make(stage) for name, make in case.references.items()}
    return Thing(await case.ids(stage), await case.query(stage), await case.body(stage), references)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("label", OPERATIONS)
async def test_s32_no_request_gets_an_answer_that_is_not_described(peerly: Installation, label: str) -> None:
    company = await peerly.company()
    stage = Stage(peerly, company, company.employee)
    things = [await thing(stage, label) for _ in range(THINGS)]
    callers = Callers(peerly, company, asyncio.get_running_loop())
    fuzz = Fuzz(OPERATIONS[label], peerly.url, callers, things)
    await asyncio.to_thread(fuzz.run)
    if fuzz.failures:
        pytest.fail(f"seed {SEED}:\n" + "\n\n".join(fuzz.failures.values()), pytrace=False)
    assert fuzz.sent >= SHARE
