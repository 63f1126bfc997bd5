"""The checks before a handler runs, in the contract's order: credential, permission, rate, organisation, form."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import hdrs, web

from shared import idempotency
from shared.context import Context
from shared.errors import AccessDenied, InvalidData, InvalidToken, RateLimited, Refusal, Unavailable
from shared.http import cors, parsing
from shared.http.addresses import Addresses
from shared.http.call import Call
from shared.http.headers import sole_header
from shared.http.operation import Operation, Route
from shared.identity import AUTHENTICATED, PUBLIC, Principal
from shared.identity.claims import PERSONAL_TOKEN, SESSION
from shared.identity.roles import PUBLISHABLE
from shared.rate_limit import PER_ADDRESS, PER_CREDENTIAL, PER_ORGANISATION, Policy, RateLimiter

OrganisationIsKnown = Callable[[Context, int], Awaitable[bool]]
ORGANISATION_HEADERS = ("X-Org-Id", "X-Perscom-Id")
_BEARER = re.compile(r"Bearer +([A-Za-z0-9._~+/=-]+) *", re.IGNORECASE)
_VERSION = re.compile(r"[0-9]{1,18}", re.ASCII)
_TAG = re.compile(r'(?:W/)?"([^"]*)"')
_NO_ORGANISATION = 0
NOT_OF_PAGE = "A publishable key is for insights, and for the pages of its own origins"
READING = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
VERSIONED = frozenset({hdrs.METH_PUT, hdrs.METH_PATCH, hdrs.METH_DELETE})
"""The methods that take `If-Match`."""


class Admission:
    """Lets requests of one service through, or refuses them."""

    def __init__(self, context: Context, organisation_is_known: OrganisationIsKnown) -> None:
        self.context = context
        self._organisation_is_known = organisation_is_known
        self._addresses = Addresses(context.settings.trusted_proxies)
        self._by_caller = RateLimiter(PER_CREDENTIAL)
        self._by_address = RateLimiter(PER_ADDRESS)
        self._by_organisation = RateLimiter(PER_ORGANISATION)
        self._of_dear_things: dict[Policy, RateLimiter] = {}

    async def admit(self, request: web.Request, route: Route, request_id: str, headers: dict[str, str]) -> Call:
        """A checked call; `headers` receives what every answer to it carries. Raises a `Refusal`."""
        operation = route.operation
        address = self._addresses.of(request)
        caller = await self._caller(request, address, operation, headers)
        org_id = await self._organisation(request, operation, caller)
        path, words, query, body = await _inputs(request, operation)
        parsing.accepts(request)
        if request.method not in READING and not operation.during_maintenance:
            self.context.maintenance.check()
        call = Call(
            context=self.context,
            request=request,
            operation=operation,
            caller=caller,
            org_id=org_id,
            request_id=request_id,
            address=address,
            path=path,
            words=words,
            query=query,
            body=body,
            count_as_dear=partial(self._count_as_dear, operation.limit, org_id, headers),
            if_match=_if_match(request),
        )
        call.idempotency_key = _idempotency(call)
        return call

    async def authenticate(self, request: web.Request) -> Principal:
        """The owner of the bearer token. Raises `InvalidToken`, and `Unavailable` while it is not known whose it is."""
        found = _BEARER.fullmatch(sole_header(request.headers, hdrs.AUTHORIZATION))
        if found is None:
            raise InvalidToken
        principal = await self._owner(found.group(1))
        self.context.usage.note(principal)
        return principal

    async def _owner(self, token: str) -> Principal:
        try:
            return self.context.verifier.verify(token)
        except InvalidToken:
            if self.context.external is None:
                raise
        return await self.context.external.verify(token)

    async def _caller(
        self, request: web.Request, address: str, operation: Operation, headers: dict[str, str]
    ) -> Principal | None:
        if operation.permission == PUBLIC:
            self._limit(self._by_address, address, headers)
            return None
        if operation.permission in PUBLISHABLE:
            headers[hdrs.VARY] = hdrs.ORIGIN
        try:
            caller = await self.authenticate(request)
        except (InvalidToken, Unavailable):
            self._limit(self._by_address, address, headers)
            raise
        is_in_place = caller.origins is None or _is_of_page(request, operation, caller, headers)
        if self.context.settings.rate_limits:
            self._limit(self._by_caller, _counted_as(caller, address), headers)
            self._limit_together(caller, headers)
        if not is_in_place:
            raise AccessDenied(NOT_OF_PAGE)
        if operation.permission != AUTHENTICATED and not caller.may(operation.permission):
            raise AccessDenied
        return caller

    def _limit(self, limiter: RateLimiter, caller: str, headers: dict[str, str]) -> None:
        if not self.context.settings.rate_limits:
            return
        verdict = limiter.ask(caller)
        headers.update(verdict.headers(limiter.policy))
        if not verdict.allowed:
            raise RateLimited(verdict.reset)

    def _count_as_dear(self, policy: Policy | None, org_id: int, headers: dict[str, str]) -> None:
        if policy is not None:
            self._limit(self._of_dear_things.setdefault(policy, RateLimiter(policy)), str(org_id), headers)

    def _limit_together(self, caller: Principal, headers: dict[str, str]) -> None:
        """The caller's own limit is what answers tell of, as long as their organisation's is not used up.

        Publishable keys, which anybody may use, have one apart from its people's.
        """
        together = f"{caller.org_id}" if caller.origins is None else f"pages of {caller.org_id}"
        limit: dict[str, str] = {}
        try:
            self._limit(self._by_organisation, together, limit)
        except RateLimited:
            headers.update(limit)
            raise

    async def _organisation(self, request: web.Request, operation: Operation, caller: Principal | None) -> int:
        if caller is None:
            return _NO_ORGANISATION
        headers = request.headers
        named = {text.strip() for name in ORGANISATION_HEADERS if name in headers for text in headers.getall(name)}
        if not caller.is_super_admin:
            if named and named != {str(caller.org_id)}:
                raise AccessDenied
            return caller.org_id
        return await self._chosen(named | set(request.query.getall("org_id", ())), operation, caller)

    async def _chosen(self, named: set[str], operation: Operation, caller: Principal) -> int:
        """The one organisation that a super admin names, in whatever place."""
        if not named:
            if operation.tenant:
                raise InvalidData(operation.invalid, fields={"org_id": "Name the organisation: ?org_id= or X-Org-Id."})
            return caller.org_id
        org_ids = {parsing.path_ids({"org_id": text.strip()}, operation.invalid)["org_id"] for text in named}
        if len(org_ids) > 1:
            raise InvalidData(operation.invalid, fields={"org_id": "Name one organisation, not several."})
        [org_id] = org_ids
        if operation.tenant and not await self._organisation_is_known(self.context, org_id):
            raise InvalidData(operation.invalid, fields={"org_id": "No such organisation."})
        return org_id


def _is_of_page(request: web.Request, operation: Operation, caller: Principal, headers: dict[str, str]) -> bool:
    """Whether a publishable key is used where it may be, by a page of its origins, which then may read the answer."""
    origin = request.headers.get(hdrs.ORIGIN, "")
    if operation.permission not in PUBLISHABLE or origin not in (caller.origins or ()):
        return False
    headers.update(cors.for_page(origin))
    return True


def _counted_as(caller: Principal, address: str) -> str:
    """Whose limit a request uses up: more sessions and tokens of their own give nobody more of it.

    A publishable key is everybody's who sees its page: each address has its own limit.
    """
    if caller.origins is not None:
        return f"{caller.actor}@{address}"
    return f"user:{caller.user_id}" if caller.kind in {SESSION, PERSONAL_TOKEN} else caller.actor


async def _inputs(
    request: web.Request, operation: Operation
) -> tuple[dict[str, int], dict[str, str], dict[str, Any], dict[str, Any]]:
    wrong: dict[str, str] = {}
    ids: dict[str, int] = {}
    query: dict[str, Any] = {}
    words = dict(request.match_info)
    try:
        named = {name: words.pop(name) for name in tuple(words) if name.endswith("id")}
        ids = parsing.path_ids(named, operation.invalid)
    except InvalidData as refusal:
        wrong |= refusal.fields
    try:
        query = {} if operation.query is None else parsing.query_of(request, operation.query, operation.invalid)
    except InvalidData as refusal:
        wrong |= refusal.fields
    body = await _body(request, operation, wrong)
    if wrong:
        raise InvalidData(operation.invalid, fields=wrong)
    return ids, words, query, body


async def _body(request: web.Request, operation: Operation, wrong: dict[str, str]) -> dict[str, Any]:
    if operation.body is None or operation.upload:
        return {}
    read = parsing.form_of if operation.form else parsing.body_of
    try:
        return await read(request, operation.body, operation.invalid)
    except Refusal as refusal:
        if not wrong and not (isinstance(refusal, InvalidData) and refusal.fields):
            raise
        wrong |= refusal.fields
        return {}


def _if_match(request: web.Request) -> frozenset[int] | None:
    header = request.headers.get(hdrs.IF_MATCH)
    if header is None or header.strip() == "*" or request.method not in VERSIONED:
        return None
    versions = (tag.split(".", 1)[0] for tag in _TAG.findall(header))
    return frozenset(int(version) for version in versions if _VERSION.fullmatch(version))


def _idempotency(call: Call) -> idempotency.Key | None:
    request, caller = call.request, call.caller
    key = request.headers.get("Idempotency-Key")
    if key is None or caller is None or request.method != hdrs.METH_POST or not call.operation.idempotent:
        return None
    place = request.path.removeprefix("/v1").rstrip("/")
    inputs = {"path": [call.path, call.words], "query": call.query, "body": call.body}
    return idempotency.key_of(caller.actor, f"{request.method} {place}", key, inputs)
