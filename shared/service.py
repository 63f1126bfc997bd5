"""A service as data, and what its process does with it: serve, relay, consume, until told to stop."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiohttp import web
from environs import Env

from shared import members, openapi, retention, telemetry
from shared.bus import Bus
from shared.clock import Clock, utc_now
from shared.consumer import Consumer, Handlers
from shared.context import Context
from shared.database import DATABASE_IS_AWAY, Database
from shared.health import HEALTH_ROUTES, METRICS_ROUTE, Health
from shared.http import Route
from shared.http.admission import OrganisationIsKnown
from shared.http.documents import document_route
from shared.http.protocol import Runner
from shared.http.server import Mount, application
from shared.identity import Verifier
from shared.identity.claims import Expected
from shared.identity.external import ExternalTokens
from shared.identity.external_records import LinkedOf, linked_member
from shared.identity.records import Records
from shared.identity.usage import Usage
from shared.relay import Relay
from shared.settings import Settings
from shared.version import VERSION

DRAIN_SECONDS = 8.0
START_SECONDS = 60.0
RETRY_SECONDS = 0.5
BACKLOG = 1024
PARTS = ("serve", "relay", "consume")

Resource = Callable[[Context], AbstractAsyncContextManager[None]]
Job = Callable[[Context, asyncio.Event], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Service:
    """What one service is made of; `app.py` of each says it once.

    `resources` are opened before the first request and may `provide` to the context; `jobs` run beside the consumer.
    """

    name: str
    title: str
    routes: Sequence[Route]
    handlers: Handlers
    migrations: Path
    read_settings: Callable[[Env], Settings]
    shared_parts: Sequence[str] = ("messaging", "members", "providers", "history", "maintenance")
    organisation_is_known: OrganisationIsKnown = members.organisation_is_known
    linked_of: LinkedOf = linked_member
    resources: Sequence[Resource] = ()
    jobs: Sequence[Job] = ()


@dataclass(slots=True)
class Running:
    """One started service: its context, and the loops that work until they are halted.

    A process that only serves does not use the bus.
    """

    service: Service
    context: Context
    uses_bus: bool
    loops: list[Callable[[asyncio.Event], Awaitable[None]]] = field(default_factory=list)


@asynccontextmanager
async def started(
    service: Service, settings: Settings, bus: Bus, parts: Iterable[str] = PARTS, clock: Clock = utc_now
) -> AsyncIterator[Running]:
    """Opens what a service needs. Raises what the database raises after a minute without it."""
    parts = frozenset(parts)
    async with AsyncExitStack() as stack:
        open_pool = _Pools(stack, service, settings)
        database = await open_pool("serve", settings.pool_size)
        verifier = Verifier(expected_of(settings), clock)
        context = Context(service.name, settings, database, verifier, clock, Usage(service.name, clock))
        external = context.external = ExternalTokens(
            service.name, database, verifier, linked_of=service.linked_of, clock=clock, wake=context.wake
        )
        running = Running(service, context, uses_bus=not parts.isdisjoint({"relay", "consume"}))
        records = Records(database, verifier, external, context.maintenance)
        if "relay" in parts:
            pool = await open_pool("relay", 2, idle_in_transaction_session_timeout="10s")
            context.relay = Relay(pool, bus, service.name, clock)
            running.loops.append(context.relay.run)
        if "consume" in parts:
            pool = await open_pool("consume", 4)
            consumer = Consumer(pool, bus, service.name, service.handlers, clock, committed=context.wake)
            running.loops += [consumer.run, retention.keeper(pool, clock)]
            running.loops += [_job(job, context) for job in service.jobs]
        for resource in service.resources:
            await stack.enter_async_context(resource(context))
        await records.load()
        running.loops += [records.run, partial(context.usage.run, database)]
        yield running


def expected_of(settings: Settings) -> Expected:
    """What this installation's credentials say of themselves."""
    return Expected(settings.issuer, settings.audience, settings.public_url)


class _Pools:
    def __init__(self, stack: AsyncExitStack, service: Service, settings: Settings) -> None:
        self._stack, self._service, self._settings = stack, service, settings

    async def __call__(self, part: str, size: int, **session: str) -> Database:
        name = f"peerly {self._service.name} {part}"
        database = await _patiently(
            lambda: Database.connect(
                self._settings.database_url, schema=self._service.name, size=size, application_name=name, **session
            )
        )
        self._stack.push_async_callback(database.close)
        return database


def _job(job: Job, context: Context) -> Callable[[asyncio.Event], Awaitable[None]]:
    return lambda halt: job(context, halt)


async def _patiently(connect: Callable[[], Awaitable[Database]]) -> Database:
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while True:
        try:
            return await connect()
        except DATABASE_IS_AWAY as error:
            if asyncio.get_running_loop().time() > deadline:
                raise
            telemetry.log("waiting for the database", level=logging.WARNING, reason=repr(error))
            await asyncio.sleep(RETRY_SECONDS)


def probes(running: Iterable[Running], bus: Bus) -> Health:
    """What /readyz asks of these services."""
    health = Health()
    running = list(running)
    for one in running:
        prefix = one.service.name
        health.probes[f"{prefix} database"] = _database_probe(one.context.database)
        health.probes[f"{prefix} signing keys"] = _keys_probe(one.context.verifier)
    if any(one.uses_bus for one in running):
        health.probes["bus"] = _bus_probe(bus)
    return health


def _database_probe(database: Database) -> Callable[[], Awaitable[str | None]]:
    async def probe() -> str | None:
        try:
            await database.fetch_value("SELECT 1")
        except DATABASE_IS_AWAY:
            return "does not answer"
        return None

    return probe


def _keys_probe(verifier: Verifier) -> Callable[[], Awaitable[str | None]]:
    async def probe() -> str | None:
        return None if verifier.has_keys else "have not arrived from the auth service yet"

    return probe


def _bus_probe(bus: Bus) -> Callable[[], Awaitable[str | None]]:
    async def probe() -> str | None:
        return None if bus.healthy() else "is not reachable"

    return probe


@asynccontextmanager
async def listening(
    running: Sequence[Running], health: Health, host: str, port: int, extra_routes: Sequence[Route] = ()
) -> AsyncIterator[int]:
    """Serves the routes of these services on one port; yields the port. Leaving drains the requests in progress."""
    first = running[0].context
    first.provide(health)
    mounts = [Mount(first, [*HEALTH_ROUTES, *extra_routes], running[0].service.organisation_is_known)]
    mounts += [Mount(one.context, one.service.routes, one.service.organisation_is_known) for one in running]
    runner = Runner(
        application(mounts), access_log=None, handle_signals=False, shutdown_timeout=DRAIN_SECONDS, keepalive_timeout=75
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, backlog=BACKLOG)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        health.draining = True
        await runner.cleanup()


@asynccontextmanager
async def working(running: Iterable[Running], failed: asyncio.Event) -> AsyncIterator[None]:
    """Runs the loops; leaving halts them after what they have in hand. A loop that dies sets `failed`."""
    halt = asyncio.Event()
    tasks = [asyncio.create_task(_guard(loop, halt, failed)) for one in running for loop in one.loops]
    try:
        yield
    finally:
        halt.set()
        await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _guard(loop: Callable[[asyncio.Event], Awaitable[None]], halt: asyncio.Event, failed: asyncio.Event) -> None:
    try:
        await loop(halt)
    except Exception as error:
        telemetry.log("a loop of this process died", level=logging.ERROR, error=error)
        failed.set()


def stop_on_signals(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT ask for an orderly end."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)


async def run(service: Service, settings: Settings, bus: Bus, parts: Sequence[str]) -> int:
    """One service in this process until a signal; returns the exit code."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bus.close)
        running = await stack.enter_async_context(started(service, settings, bus, parts))
        failed = asyncio.Event()
        await stack.enter_async_context(working([running], failed))
        if "serve" in parts:
            health = probes([running], bus)
            extra = [METRICS_ROUTE, _own_document(service)]
            await stack.enter_async_context(listening([running], health, settings.host, settings.port, extra))
        telemetry.log("started", service=service.name, parts=list(parts), port=settings.port)
        await first_of(stop, failed)
        telemetry.log("stopping", service=service.name)
    return 1 if failed.is_set() else 0


def document_of(service: Service) -> dict[str, object]:
    """The service's own part of the OpenAPI document."""
    return openapi.document(service.title, VERSION, [*service.routes])


def _own_document(service: Service) -> Route:
    summary = "This service's OpenAPI document"
    return document_route("/openapi.json", document_of(service), summary, name="read_own_document")


async def first_of(*events: asyncio.Event) -> None:
    """Returns when one of the events is set."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
