"""Everything that the faults are done to: private servers behind proxies, the services as processes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg
import psutil

from deploy.broker import ADMIN, EVERYONE, SERVICES, definitions
from gateway.render import render
from services.catalogue import SUBSCRIPTIONS
from services.connections import Addresses
from services.processes import Processes
from services.processes.child import Child
from services.processes.settings import PYTHON
from services.processes.system import name_in_broker
from services.proof import findings, on_their_way
from shared.bus.connection import close, connect
from shared.bus.topology import dead_of, declare, queue_of, urgent_of
from tests.faults.proxy import ToxicProxy, proxy_to
from tests.support.ports import free_port
from tests.support.processes import import_definitions, running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.servers_postgres import PrivatePostgres
from tests.support.servers_rabbitmq import PrivateRabbitmq
from tests.support.waiting import eventually

EVERYTHING = (*SERVICES, "gateway")
KEPT_SECONDS = 5.0
"""The gateway closes what is idle for ten: whoever reuses a connection at that moment would get no answer."""
DURABLE = {"max_connections": "200"}
"""PostgreSQL's own defaults otherwise: fsync, full_page_writes and synchronous_commit are on."""


BACKLOG = """
SELECT '{service}' AS service,
    (SELECT count(*) FROM {service}.outbox WHERE sent_at IS NULL) AS unsent,
    (SELECT count(*) FROM {service}.parked) AS parked,
    (SELECT count(*) FROM {service}.dead) AS dead,
    (SELECT count(*) FROM {service}.inbox_positions WHERE missing IS NOT NULL) AS missing
"""


@dataclass
class Rig:
    """The system under test; what is broken here is mended by `heal`."""

    system: Processes
    postgres: PrivatePostgres
    rabbitmq: PrivateRabbitmq
    to_database: ToxicProxy
    to_broker: ToxicProxy
    session: aiohttp.ClientSession
    folder: Path
    _frozen: set[str] = field(default_factory=set)
    _environments: dict[str, dict[str, str]] = field(default_factory=dict)
    _seconds: dict[str, Child] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.system.url

    def kill(self, *names: str, hold: bool = False) -> None:
        for name in names:
            self.system.kill(name, hold=hold)

    def freeze(self, name: str) -> None:
        self._frozen.add(name)
        self.system.kill(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._frozen.discard(name)
        self.system.kill(name, signal.SIGCONT)

    async def start(self, *names: str) -> None:
        """Starts what is down now, without the supervisor's pause, and waits until all are ready."""
        await asyncio.gather(*(self.system.start(name) for name in names))

    async def change(self, name: str, **environment: str) -> None:
        """Starts a service anew with other settings, until `heal`."""
        child = self._child(name)
        self._environments.setdefault(name, dict(child.environment))
        child.environment = {**self._environments[name], **environment}
        self.kill(name)
        await eventually(lambda: name not in self.system.pids or child.pid is not None, within=10)
        await self.start(name)

    def _child(self, name: str) -> Child:
        return self.system._children[name]

    async def second(self, service: str, **environment: str) -> str:
        """Another process of a service, at a port of its own and perhaps with other settings; gives its name."""
        name, child = f"{service} 2", self._child(service)
        if name not in self.system._children:
            ports = {**self.system.settings.service_ports, name: free_port()}
            self.system.settings = replace(self.system.settings, service_ports=ports)
            self.system._run(Child(name, [*PYTHON, f"services.{service}"], {}))
        port = str(self.system.settings.service_ports[name])
        self._child(name).environment = {**child.environment, "PEERLY_SERVICE_PORT": port, **environment}
        await self.system.start(name)
        return name

    async def route(self, service: str, *names: str) -> None:
        """The gateway asks only these processes of a service from now on: what it asked others is answered by then."""
        settings = self.system._gateway_settings()
        ports = self.system.settings.service_ports
        places = ",".join(f"127.0.0.1:{ports[name]}" for name in names)
        render(replace(settings, services={**settings.services, service: places}))
        before = self._workers()
        self.system.kill("gateway", signal.SIGHUP)
        await eventually(lambda: (now := self._workers()) and not now & before, within=15)

    def _workers(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.system.pids["gateway"]).children()}

    async def heal(self) -> None:
        """Takes every toxic, freeze and changed setting away and waits until all are ready."""
        self.to_database.heal()
        self.to_broker.heal()
        for name in list(self._frozen):
            self.thaw(name)
        for name, environment in self._environments.items():
            self._child(name).environment = environment
            self.kill(name)
        self._environments.clear()
        for name in self.system._children:
            if name.endswith(" 2"):
                await self.system.stop(name)
        await self.start(*EVERYTHING)

    async def kill_postgres(self) -> None:
        """kill -9 of the server and all its children."""
        for process in psutil.Process(self.postgres.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await self.postgres.kill()

    async def wipe_broker(self) -> None:
        """kill -9 of the broker, its disk emptied, and what an operator does then: users and topology once more."""
        await self.rabbitmq.kill()
        shutil.rmtree(self.folder / "rabbitmq" / "data")
        await self.rabbitmq.start()
        kept = {who: self.system._kept[name_in_broker(who)] for who in EVERYONE}
        wanted = definitions(self.system.settings.vhost, kept, dict.fromkeys(EVERYONE, b"salt"))
        broker = Rabbitmq("private", self.rabbitmq.url, self.rabbitmq.control)
        await import_definitions(broker, json.dumps(wanted))
        await declare(self.amqp_url(), SUBSCRIPTIONS)

    def amqp_url(self, who: str = ADMIN) -> str:
        """The virtual host as one of its users sees it, past the proxy."""
        parts = urlsplit(self.system.amqp_url(who))
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self.rabbitmq.port}"))

    @property
    def database_url(self) -> str:
        """The superuser's address of the database, past the proxy."""
        path = urlsplit(self.system.settings.database_url).path
        return urlunsplit(urlsplit(self.postgres.url)._replace(path=path))

    def database_url_of(self, service: str) -> str:
        parts = urlsplit(self.system.database_url(service))
        login = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{login}@127.0.0.1:{self.postgres.port}"))

    async def rows(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """As the superuser, past the proxy."""
        connection = await asyncpg.connect(self.database_url, timeout=10)
        try:
            return list(await connection.fetch(query, *arguments))
        finally:
            await connection.close()

    async def value(self, query: str, *arguments: Any) -> Any:
        return (await self.rows(query, *arguments))[0][0]

    async def broken(self) -> list[str]:
        """The invariants I1 to I10 that do not hold now, of all organisations, and events under way or given up."""
        where = Addresses(self.database_url, {service: self.database_url_of(service) for service in SERVICES})
        found = [f"{one.org_id} {one.service} {one.id}: {one.result}" for one in await findings(where) if not one.holds]
        return found + await self.under_way()

    async def under_way(self) -> list[str]:
        """Events that are unsent, parked, dead, known to be missing, or else not taken yet, by service."""
        rows = await self.rows(" UNION ALL ".join(BACKLOG.format(service=service) for service in SERVICES))
        found = [str(dict(row)) for row in rows if any(list(row.values())[1:])]
        return found or await self._not_taken()

    async def _not_taken(self) -> list[str]:
        """What is in a queue, where nobody who waits for it can know of it."""
        connection = await asyncpg.connect(self.database_url, timeout=10)
        try:
            counts = {service: (await on_their_way(connection, service, 0)).events for service in SERVICES}
        finally:
            await connection.close()
        return [f"{count} events not taken by {service}" for service, count in counts.items() if count]

    async def in_queues(self, kind: str) -> dict[str, int]:
        """Messages in the queues of events, or in `dead.<service>`."""
        names = {one: [dead_of(one)] if kind == "dead" else [queue_of(one), urgent_of(one)] for one in SERVICES}
        connection = await connect(self.amqp_url(), 10)
        try:
            channel = await connection.channel()
            queues = {service: [await channel.get_queue(one) for one in its] for service, its in names.items()}
        finally:
            await close(connection)
        return {
            service: sum(queue.declaration_result.message_count or 0 for queue in its)
            for service, its in queues.items()
        }

    async def forget_dead(self) -> None:
        """So that what one row has left says nothing of the next ones."""
        for service in SERVICES:
            await self.tool(service, "dead", "drop", "--all")

    async def tool(self, service: str, *words: str) -> str:
        """`python -m services.<service> ...`, as an operator runs it."""
        environment = {
            **os.environ, **self.system._environment_of(service),
            "DATABASE_URL": self.database_url_of(service), "AMQP_URL": self.amqp_url(service),
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *PYTHON, f"services.{service}", *words, env=environment, stdout=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(60):
            said, _ = await process.communicate()
        return said.decode()


@asynccontextmanager
async def rig(folder: Path) -> AsyncIterator[Rig]:
    """Everything up and ready; nothing is left afterwards."""
    async with (
        PrivatePostgres(folder / "postgres", settings=DURABLE) as postgres,
        PrivateRabbitmq(folder / "rabbitmq") as rabbitmq,
        proxy_to(postgres.port) as to_database,
        proxy_to(rabbitmq.port) as to_broker,
    ):
        servers = (
            Postgres("private", to_database.in_front_of(postgres.url)),
            Rabbitmq("private", to_broker.in_front_of(rabbitmq.url), rabbitmq.control),
        )
        connector = aiohttp.TCPConnector(limit=128, keepalive_timeout=KEPT_SECONDS)
        async with (
            running_system(*servers, folder) as system,
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=15)) as session,
        ):
            made = Rig(system, postgres, rabbitmq, to_database, to_broker, session, folder)
            try:
                yield made
            finally:
                to_database.heal()
                to_broker.heal()
