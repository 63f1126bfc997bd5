"""Routes as an aiohttp application: errors in the envelope, entity tags, headers, logs and metrics."""

from __future__ import annotations

import asyncio
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
from shared.http.admission import Admission, OrganisationIsKnown
from shared.http.headers import security_headers
from shared.http.load import Load, seconds_for
from shared.http.operation import Failures, Route
from shared.http.streaming import Streamed
from shared.identity import PUBLIC
from shared.identity.roles import PUBLISHABLE

LARGEST_BODY = 256 * 1024
_TAG = re.compile(r'"[^"]*"')
_ROUTE = web.RequestKey("route", str)
_SERVICE = web.RequestKey("service", str)
_USER = web.RequestKey[int | None]("user")
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
    app.on_response_prepare.append(_without_server_header)
    for mount in mounts:
        admission = Admission(mount.context, mount.organisation_is_known)
        edge.admissions.append(admission)
        for route in mount.routes:
            edge.serve(app, route, admission)
    return app


async def _expect(request: web.Request) -> None:
    """Asks for a body that waits to be asked for; other expectations may be left alone (RFC 9110, 10.1.1)."""
    if request.version >= HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0


async def _without_server_header(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall(hdrs.SERVER, None)


class _Edge:
    """What every request passes, known path or not."""

    def __init__(self, context: Context, load: Load) -> None:
        self._service = context.service
        self._load = load
        self._origins = context.settings.cors_origins
        self._maintenance = context.maintenance
        self._headers = security_headers(context.settings.public_url)
        self.admissions: list[Admission] = []
        self._public: list[re.Pattern[str]] = []
        self._for_pages: list[re.Pattern[str]] = []
        self._failures: list[tuple[re.Pattern[str], Failures | None]] = []

    def serve(self, app: web.Application, route: Route, admission: Admission) -> None:
        """Adds a route bare and under /v1, each with and without a trailing slash."""
        handler = _handler(route, admission, self._load)
        bare = route.path.rstrip("/")
        for path in dict.fromkeys((bare or "/", f"{bare}/", f"/v1{bare}", f"/v1{bare}/")):
            app.router.add_route(route.method, path, handler, expect_handler=_expect)
            if route.method == hdrs.METH_GET:
                app.router.add_route(hdrs.METH_HEAD, path, handler, expect_handler=_expect)
        pattern = re.compile("(?:/v1)?" + re.sub(r"\{[^}]*\}", "[^/]+", bare) + "/?")
        self._failures.append((pattern, route.operation.failures))
        if route.operation.permission == PUBLIC:
            self._public.append(pattern)
        if route.operation.permission in PUBLISHABLE:
            self._for_pages.append(pattern)

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        began = perf_counter()
        request_id = _request_id(request)
        telemetry.REQUEST_ID.set(request_id)
        preflight = cors.preflight(request, self._origins) or self._preflight_of_page(request)
        response = preflight or await self._answer(request, handler)
        added = self._headers | self._maintenance.headers() | cors.headers_for(request, self._origins)
        for name, value in added.items():
            response.headers.setdefault(name, value)
        response.headers["X-Request-Id"] = request_id
        until_it_began = perf_counter() - began
        if isinstance(response, Streamed):
            await response.send(request)
        self._record(request, response.status, until_it_began, request_id)
        return response

    def _preflight_of_page(self, request: web.Request) -> web.Response | None:
        """Where publishable keys are taken, any page may ask whether it may ask."""
        if cors.is_preflight(request) and any(pattern.fullmatch(request.path) for pattern in self._for_pages):
            return web.Response(status=204, headers=cors.OF_PAGES)
        return None

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

    def _record(self, request: web.Request, status: int, seconds: float, request_id: str) -> None:
        route = request.get(_ROUTE, "unmatched")
        service = request.get(_SERVICE, self._service)
        telemetry.REQUESTS.labels(service, request.method, route, status).inc()
        telemetry.LATENCY.labels(service, request.method, route).observe(seconds)
        telemetry.log(
            "request",
            service=service,
            method=request.method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 2),
            request_id=request_id,
            user_id=request.get(_USER),
        )


def _request_id(request: web.Request) -> str:
    given = request.headers.get("X-Request-Id", "")
    return given if SAFE_REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def _handler(route: Route, admission: Admission, load: Load) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        request[_ROUTE], request[_SERVICE] = route.path, admission.context.service
        headers: dict[str, str] = {}
        try:
            load.check()
            async with asyncio.timeout(seconds_for(request, route.operation.seconds)):
                response = await _run(request, route, admission, load, headers)
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

    return handle


def _refuse(failures: Failures | None, refusal: Refusal) -> web.StreamResponse:
    return answers.refuse(refusal) if failures is None else answers.respond(failures.tell(refusal))


async def _run(
    request: web.Request, route: Route, admission: Admission, load: Load, headers: dict[str, str]
) -> web.StreamResponse:
    request_id = telemetry.REQUEST_ID.get() or ""
    call = await admission.admit(request, route, request_id, headers)
    request[_USER] = call.caller.user_id if call.caller else None
    with load.place():
        answer = await route.handler(call)
        response = answers.respond(answer)
        if answer.status == 200 and request.method in {hdrs.METH_GET, hdrs.METH_HEAD}:
            response = _conditional(request, response, answer.version)
        if isinstance(response, Streamed) and request.method != hdrs.METH_HEAD:
            await response.begin()
        return response


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
    return web.Response(status=304, headers={name: response.headers[name] for name in kept if name in response.headers})
