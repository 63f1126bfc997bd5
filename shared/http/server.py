"""Routes as an aiohttp application: errors in the envelope, entity tags, headers, logs and metrics."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from time import perf_counter

from aiohttp import HttpVersion11, hdrs, web

from shared import telemetry
from shared.context import Context
from shared.database import DATABASE_IS_AWAY, SAFE_REQUEST_ID
from shared.deadline import within
from shared.errors import (
    InternalError,
    InvalidToken,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Refusal,
    Unavailable,
)
from shared.http import answers, cors
from shared.http.admission import READING, Admission, OrganisationIsKnown
from shared.http.headers import security_headers
from shared.http.load import Load, seconds_for
from shared.http.operation import Failures, Route
from shared.http.recording import SEEN, Recorder, Seen
from shared.http.streaming import Streamed
from shared.http.unnamed import Response
from shared.identity import PUBLIC
from shared.identity.roles import PUBLISHABLE

LARGEST_BODY = 256 * 1024
_TAG = re.compile(r'"[^"]*"')
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Mount:
    """The routes of one service with what they run on."""

    context: Context
    routes: Iterable[Route]
    organisation_is_known: OrganisationIsKnown


def application(mounts: Iterable[Mount]) -> web.Application:
    """One application that serves the routes of one service, or of several behind one port."""
    mounts = list(mounts)
    app = web.Application(client_max_size=LARGEST_BODY, handler_args={"access_log": None})
    edge = _Edge(mounts[0].context, Load())
    app.middlewares.append(edge.middleware)
    for mount in mounts:
        admission = Admission(mount.context, mount.organisation_is_known)
        edge.admissions.append(admission)
        for route in mount.routes:
            edge.serve(route, admission)
    edge.add_to(app)
    return app


async def _expect(request: web.Request) -> None:
    """Asks for a body that waits to be asked for; other expectations may be left alone (RFC 9110, 10.1.1)."""
    if request.version >= HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


class _Edge:
    """What every request passes, known path or not."""

    def __init__(self, context: Context, load: Load) -> None:
        self._recorder = Recorder(context.service)
        self._load = load
        self._origins = context.settings.cors_origins
        self._maintenance = context.maintenance
        self._headers = security_headers(context.settings.public_url)
        self.admissions: list[Admission] = []
        self._public: list[re.Pattern[str]] = []
        self._for_pages: list[re.Pattern[str]] = []
        self._failures: list[tuple[re.Pattern[str], Failures | None]] = []
        self._handlers: dict[str, dict[str, Handler]] = {}

    def serve(self, route: Route, admission: Admission) -> None:
        """Takes a route, bare and under /v1, each with and without a trailing slash."""
        handler = _Endpoint(route, admission, self._load).handle
        bare = route.path.rstrip("/")
        for path in dict.fromkeys((bare or "/", f"{bare}/", f"/v1{bare}", f"/v1{bare}/")):
            of_path = self._handlers.setdefault(path, {})
            of_path.setdefault(route.method, handler)
            if route.method == hdrs.METH_GET:
                of_path.setdefault(hdrs.METH_HEAD, handler)
        pattern = re.compile("(?:/v1)?" + re.sub(r"\{[^}]*\}", "[^/]+", bare) + "/?")
        self._failures.append((pattern, route.operation.failures))
        if route.operation.permission == PUBLIC:
            self._public.append(pattern)
        if route.operation.permission in PUBLISHABLE:
            self._for_pages.append(pattern)

    def add_to(self, app: web.Application) -> None:
        """All methods of a path as one resource of the router, which looks at one after the other: fixed ones first."""
        for path, handlers in sorted(self._handlers.items(), key=lambda one: "{" in one[0]):
            resource = app.router.add_resource(path)
            for method, handler in handlers.items():
                resource.add_route(method, handler, expect_handler=_expect)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        began = perf_counter()
        request_id = _request_id(request)
        telemetry.REQUEST_ID.set(request_id)
        response = self._preflight(request) or await self._answer(request, handler)
        headers = response.headers
        for added in (self._headers, self._maintenance.headers(), cors.headers_for(request, self._origins)):
            for name, value in added.items():
                headers.setdefault(name, value)
        headers["X-Request-Id"] = request_id
        until_it_began = perf_counter() - began
        if isinstance(response, Streamed):
            await response.send(request)
        self._recorder.record(request, response.status, until_it_began, request_id)
        return response

    def _preflight(self, request: web.Request) -> web.Response | None:
        """Where publishable keys are taken, any page may ask whether it may ask."""
        if not cors.is_preflight(request):
            return None
        answer = cors.preflight(request, self._origins)
        if answer is None and any(pattern.fullmatch(request.path) for pattern in self._for_pages):
            return Response(status=204, headers=cors.OF_PAGES)
        return answer

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPNotFound:
            return answers.refuse(NotFound("Path"))
        except web.HTTPMethodNotAllowed as error:
            return await self._wrong_method(request, error.allowed_methods)
        except web.HTTPRequestEntityTooLarge:
            return answers.refuse(PayloadTooLarge())

    async def _wrong_method(self, request: web.Request, allowed: Iterable[str]) -> web.StreamResponse:
        failures = self._failures_of(request.path)
        if not any(pattern.fullmatch(request.path) for pattern in self._public):
            try:
                await self.admissions[0].authenticate(request)
            except (InvalidToken, Unavailable) as refusal:
                return _refuse(failures, refusal)
        return _refuse(failures, MethodNotAllowed(headers={hdrs.ALLOW: ", ".join(sorted(allowed))}))

    def _failures_of(self, path: str) -> Failures | None:
        """How all operations of a path say what is wrong; None where they differ."""
        found = {failures for pattern, failures in self._failures if pattern.fullmatch(path)}
        return found.pop() if len(found) == 1 else None


def _request_id(request: web.Request) -> str:
    given = request.headers.get("X-Request-Id")
    return given if given is not None and SAFE_REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """One route of one service."""

    route: Route
    admission: Admission
    load: Load

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """The answer of a request, whatever happens."""
        route = self.route
        seen = request[SEEN] = Seen(route.path, self.admission.context.service)
        headers: dict[str, str] = {}
        try:
            self.load.check()
            with within(seconds_for(request, route.operation.seconds)):
                response = await self._run(request, seen, headers)
        except Refusal as refusal:
            response = _refuse(route.operation.failures, refusal)
        except DATABASE_IS_AWAY as error:
            telemetry.log("dependency is away", level=logging.WARNING, route=route.path, reason=repr(error))
            response = _refuse(route.operation.failures, Unavailable())
        except Exception as error:  # the last line of defence: logged whole, answered without the cause
            telemetry.log("request failed", level=logging.ERROR, error=error, route=route.path)
            response = _refuse(route.operation.failures, InternalError())
        if hdrs.VARY in headers and hdrs.VARY in response.headers:
            headers[hdrs.VARY] = f"{response.headers[hdrs.VARY]}, {headers[hdrs.VARY]}"
        response.headers.update(headers)
        return response

    async def _run(self, request: web.Request, seen: Seen, headers: dict[str, str]) -> web.StreamResponse:
        request_id = telemetry.REQUEST_ID.get() or ""
        call = await self.admission.admit(request, self.route, request_id, headers)
        seen.user_id = call.caller.user_id if call.caller else None
        with self.load:
            answer = await self.route.handler(call)
            response = answers.respond(answer)
            if answer.status == 200 and request.method in READING:
                response = _conditional(request, response, answer.version)
            if isinstance(response, Streamed) and request.method != hdrs.METH_HEAD:
                await response.begin()
            return response


def _refuse(failures: Failures | None, refusal: Refusal) -> web.StreamResponse:
    return answers.refuse(refusal) if failures is None else answers.respond(failures.tell(refusal))


def _conditional(request: web.Request, response: web.StreamResponse, version: int | None) -> web.StreamResponse:
    if isinstance(response, web.Response):
        body = response.body
        response.headers.setdefault(hdrs.ETAG, answers.entity_tag(body if isinstance(body, bytes) else b"", version))
    response.headers.setdefault(hdrs.CACHE_CONTROL, "private, no-cache")
    wanted = request.headers.get(hdrs.IF_NONE_MATCH)
    if wanted is None or hdrs.ETAG not in response.headers:
        return response
    if wanted.strip() != "*" and response.headers[hdrs.ETAG] not in _TAG.findall(wanted):
        return response
    kept = (hdrs.ETAG, hdrs.CACHE_CONTROL, hdrs.LINK, hdrs.VARY)
    return Response(status=304, headers={name: response.headers[name] for name in kept if name in response.headers})
