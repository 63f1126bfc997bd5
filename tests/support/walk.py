"""What walks through operations have in common: the operations of the documents, two companies, and who asks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from services import documents
from shared.identity import AUTHENTICATED, PUBLIC, Role
from shared.identity.roles import PERMISSIONS
from tests.support.api import Reply
from tests.support.cases import CASES, Case
from tests.support.installation import Company, Installation, Member
from tests.support.staging import Stage

UNKNOWN_ID = 2**53 - 1
VERBS = ("get", "post", "put", "patch", "delete")
CHANGING_HEADERS = {"date", "x-request-id"}
MEMBERS = (Role.ORGANISATION_ADMIN, Role.MODERATOR, Role.EMPLOYEE)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as the document has it."""

    method: str
    path: str
    described: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def permission(self) -> str:
        return str(self.described.get("x-permission"))

    @property
    def case(self) -> Case:
        return CASES[self.name]

    @property
    def success(self) -> int:
        first = min(int(status) for status in self.described["responses"] if status.startswith("2"))
        return self.case.status or first

    def admits(self, role: Role | None) -> bool:
        if self.permission == PUBLIC:
            return True
        return role is not None and (self.permission == AUTHENTICATED or self.permission in PERMISSIONS[role])

    def at(self, ids: dict[str, Any]) -> str:
        return re.sub(r"\{([^}]+)\}", lambda name: str(ids[name.group(1)]), self.path)


def read(document: dict[str, Any]) -> list[Operation]:
    return [
        Operation(verb.upper(), path, described)
        for path, by_verb in document["paths"].items()
        for verb, described in by_verb.items()
        if verb in VERBS
    ]


OPERATIONS = read(documents.merged())
WITH_IDS = [one for one in OPERATIONS if re.search(r"id\}", one.path)]
WITH_REFERENCES = [(one, name) for one in OPERATIONS if one.name in CASES for name in one.case.references]
WITH_FILTERS = [(one, name) for one in OPERATIONS if one.name in CASES for name in one.case.filters]


def named(value: object) -> str | None:
    match value:
        case Operation():
            return value.name
        case Role():
            return value.name.lower()
        case None:
            return "anonymous"
        case _:
            return None


@dataclass(slots=True)
class World:
    """Two companies that must not know of each other, and who runs the installation."""

    peerly: Installation
    ours: Company
    theirs: Company
    root: Member

    def stage(self, role: Role | None, company: Company | None = None) -> Stage:
        caller = self.root if role in {None, Role.SUPER_ADMIN} else self.ours.member(role)
        return Stage(self.peerly, company or self.ours, caller)

    async def caller(self, operation: Operation, role: Role) -> Member:
        """Whose token it is: somebody's of their own, when it does not survive the request."""
        if role is Role.SUPER_ADMIN:
            return await self.peerly.super_admin() if operation.case.ends_session else self.root
        if not operation.case.ends_session:
            return self.ours.member(role)
        return await self.peerly.sign_in(self.ours.member(role).email)

    async def send(
        self,
        operation: Operation,
        role: Role | None,
        *,
        ids: Any = None,
        body: Any = None,
        params: dict[str, str] | None = None,
    ) -> Reply:
        """The operation's case, for our company, by somebody in this role; with other ids or another body if given."""
        stage = self.stage(role)
        path = operation.at(await operation.case.ids(stage) if ids is None else ids)
        sent = await operation.case.body(stage) if body is None else body
        token = None if role is None else (await self.caller(operation, role)).token
        headers = {"X-Org-Id": str(self.ours.id)} if role is Role.SUPER_ADMIN else {}
        query = {**await operation.case.query(stage), **(params or {})}
        asked = {"body": sent, "form": operation.case.form, "params": query}
        reply = await self.peerly.ask(operation.method, path, token=token, headers=headers, **asked)
        if role in MEMBERS:
            assert self.theirs.domain.encode() not in reply.raw
        return reply


def lasting(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name.lower() not in CHANGING_HEADERS}


def without(reply: Reply, asked: int) -> Reply:
    """The answer with the caller's own word taken out of its links to pages."""
    if "Link" not in reply.headers:
        return reply
    links = re.sub(rf"(?<==){asked}(?=[&>])", "asked", reply.headers["Link"])
    return replace(reply, headers={**reply.headers, "Link": links})


def refusal(operation: Operation, code: str, message: str) -> dict[str, Any]:
    """What a refused request is told: insights have an envelope of their own."""
    if operation.path.startswith("/insights/"):
        return {"status": False, "error": message}
    return {"error": {"code": code, "message": message}}


def tell_nothing_apart(foreign: Reply, unknown: Reply) -> None:
    """Same status, same bytes, same headers but for time and request id."""
    assert (foreign.status, foreign.raw) == (unknown.status, unknown.raw)
    assert lasting(foreign) == lasting(unknown)
