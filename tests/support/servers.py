"""The servers of a test session: those named, a Docker engine's, the local ones, or private ones made for it."""

from __future__ import annotations

import asyncio
import getpass
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from tests.support.servers_postgres import PrivatePostgres
from tests.support.servers_rabbitmq import PrivateRabbitmq, accepts, rabbitmq_scripts, run_command

LOCAL_BROKER = "amqp://guest:guest@127.0.0.1:5672/"
Server = TypeVar("Server")
Control = Callable[..., Awaitable[str]]


class Unusable(Exception):
    """One way to a server does not work here; the message says why."""


@dataclass(frozen=True)
class Postgres:
    """A server and its superuser's URL; `trusts` when the local one asks nobody for a password."""

    source: str
    url: str
    trusts: bool = False


@dataclass
class Rabbitmq:
    """A broker, its administrator's URL, and `rabbitmqctl` where one can be called."""

    source: str
    url: str
    control: Control | None = None
    _over: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def virtual_host(self) -> AsyncIterator[str]:
        """The administrator's URL of a fresh virtual host; of the only one where none can be made.

        It is removed together with the making of the next one: a broker has file handles for few quorum queues.
        """
        if self.control is None:
            yield self.url
            return
        name = f"peerly_test_{secrets.token_hex(6)}"
        make = _MAKE.format(name=name, user=urlsplit(self.url).username or "guest")
        await self.control("eval", f"{self._removal()}, {make}.")
        try:
            yield urlunsplit(urlsplit(self.url)._replace(path=f"/{name}"))
        finally:
            self._over.append(name)

    async def remove_virtual_hosts(self) -> None:
        if self.control is not None and self._over:
            await self.control("eval", f"{self._removal()}.")

    def _removal(self) -> str:
        names = ", ".join(f'<<"{name}">>' for name in self._over)
        self._over.clear()
        return f'[rabbit_vhost:delete(Name, <<"tests">>) || Name <- [{names}]]'


_MAKE = (
    'rabbit_vhost:add(<<"{name}">>, <<"tests">>), rabbit_auth_backend_internal:set_permissions('
    '<<"{user}">>, <<"{name}">>, <<".*">>, <<".*">>, <<".*">>, <<"tests">>)'
)

Ways = Sequence[Callable[[Path], AbstractAsyncContextManager[Server]]]


@asynccontextmanager
async def first_usable(what: str, ways: Ways[Server], folder: Path) -> AsyncIterator[Server]:
    """The first way's server that works; fails with every way's reason when none does."""
    reasons = []
    for way in ways:
        opened = way(folder)
        try:
            server = await opened.__aenter__()
        except Unusable as why:
            reasons.append(f"- {why}")
            continue
        try:
            yield server
        finally:
            await opened.__aexit__(None, None, None)
        return
    raise RuntimeError("\n".join([f"The tests found no {what}:", *reasons]))


@asynccontextmanager
async def named_postgres(_: Path) -> AsyncIterator[Postgres]:
    url = os.environ.get("TEST_DATABASE_URL")
    if not url:
        raise Unusable("TEST_DATABASE_URL is not set (a superuser's URL)")
    yield Postgres("TEST_DATABASE_URL", url)


@asynccontextmanager
async def contained_postgres(_: Path) -> AsyncIterator[Postgres]:
    containers = await _containers()
    async with containers.postgres() as url:
        yield Postgres("a container", url)


@asynccontextmanager
async def local_postgres(_: Path) -> AsyncIterator[Postgres]:
    for user in (getpass.getuser(), "postgres"):
        url = f"postgresql://{user}@127.0.0.1:5432/postgres"
        if await _is_superuser(url):
            yield Postgres("127.0.0.1:5432", url, trusts=True)
            return
    raise Unusable("no PostgreSQL on 127.0.0.1:5432 trusts this user or `postgres` as a superuser")


@asynccontextmanager
async def private_postgres(folder: Path) -> AsyncIterator[Postgres]:
    async with PrivatePostgres(folder / "postgres") as server:
        yield Postgres("a private server", server.url)


@asynccontextmanager
async def named_rabbitmq(_: Path) -> AsyncIterator[Rabbitmq]:
    url = os.environ.get("TEST_AMQP_URL")
    if not url:
        raise Unusable("TEST_AMQP_URL is not set (an administrator's URL)")
    yield Rabbitmq("TEST_AMQP_URL", url, await _local_control(url))


@asynccontextmanager
async def contained_rabbitmq(_: Path) -> AsyncIterator[Rabbitmq]:
    containers = await _containers()
    async with containers.rabbitmq() as (url, control):
        yield Rabbitmq("a container", url, control)


@asynccontextmanager
async def local_rabbitmq(_: Path) -> AsyncIterator[Rabbitmq]:
    if not await accepts(LOCAL_BROKER):
        raise Unusable("no RabbitMQ on 127.0.0.1:5672 takes guest")
    control = await _local_control(LOCAL_BROKER)
    if control is None:
        raise Unusable("this user may not call rabbitmqctl for the RabbitMQ on 127.0.0.1:5672")
    yield Rabbitmq("127.0.0.1:5672", LOCAL_BROKER, control)


@asynccontextmanager
async def private_rabbitmq(folder: Path) -> AsyncIterator[Rabbitmq]:
    if rabbitmq_scripts() is None:
        raise Unusable("RabbitMQ is not installed (on Debian or Ubuntu: apt-get install rabbitmq-server)")
    async with PrivateRabbitmq(folder / "rabbitmq") as server:
        yield Rabbitmq("a private node", server.url, server.control)


POSTGRES: Ways[Postgres] = (named_postgres, contained_postgres, local_postgres, private_postgres)
RABBITMQ: Ways[Rabbitmq] = (named_rabbitmq, contained_rabbitmq, local_rabbitmq, private_rabbitmq)
if os.environ.get("TEST_SERVERS") == "private":
    POSTGRES = (named_postgres, private_postgres, *POSTGRES[1:-1])
    RABBITMQ = (named_rabbitmq, private_rabbitmq, *RABBITMQ[1:-1])


async def _is_superuser(url: str) -> bool:
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return False
    try:
        return bool(await connection.fetchval("SELECT current_setting('is_superuser') = 'on'"))
    finally:
        await connection.close()


async def _local_control(url: str) -> Control | None:
    """`rabbitmqctl` of the broker on this machine, where this user may call it and it is the URL's broker."""
    program, place = shutil.which("rabbitmqctl"), urlsplit(url)
    if program is None or place.hostname not in ("127.0.0.1", "localhost"):
        return None

    async def control(*words: str) -> str:
        return await run_command([program, "--quiet", "--timeout", "30", *words])

    try:
        listeners = await control("status")
    except (AssertionError, TimeoutError):
        return None
    return control if f"port: {place.port or 5672}," in listeners else None


async def _containers() -> ModuleType:
    """Loaded where an engine answers alone: its libraries take a while."""
    from tests.support import servers_docker

    if not await asyncio.to_thread(servers_docker.engine_answers):
        raise Unusable("no Docker engine answers")
    return servers_docker
