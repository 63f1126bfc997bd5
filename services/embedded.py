"""`python -m services`: all of Peerly in one process, behind one port, on a database of its own if need be."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import asyncpg
import uvloop
from aio_pika.exceptions import AMQPError
from environs import Env, EnvError

from services import documents, secrets
from services.auth.bootstrap import CannotMakeAdmin
from services.catalogue import SERVICES, SUBSCRIPTIONS
from services.connections import as_role, data_folder, passwords
from services.migrations import declare_bus, migrate_all
from services.welcome import Welcome, demo_is_wanted
from shared import telemetry
from shared.bus import Bus
from shared.bus.in_process import InProcessBus
from shared.bus.rabbitmq import RabbitBus
from shared.embedded_postgres import EmbeddedPostgres, EmbeddedPostgresError
from shared.migrate import MigrationEdited
from shared.service import Running, first_of, listening, probes, started, stop_on_signals, working
from shared.settings import A_PORT, Settings

SECRET = "secret"
USAGE_ERROR = 2


@dataclass(frozen=True, slots=True)
class Options:
    """How the one process runs; an empty address means a part of its own."""

    data_dir: Path
    host: str
    port: int
    database_url: str
    amqp_url: str
    demo: bool

    @classmethod
    def read(cls, env: Env) -> Options:
        """From the environment. Raises `EnvError`."""
        return cls(
            data_dir=data_folder(env),
            host=env.str("PEERLY_HOST", "127.0.0.1"),
            port=env.int("PEERLY_PORT", 8080, validate=A_PORT),
            database_url=env.str("DATABASE_URL", ""),
            amqp_url=env.str("AMQP_URL", ""),
            demo=demo_is_wanted(env),
        )


@asynccontextmanager
async def all_running(options: Options, failed: asyncio.Event) -> AsyncIterator[list[Running]]:
    """Database, bus and the four services, working and listening; yields them when they are ready."""
    kept = passwords(Env(), options.data_dir)
    os.environ.setdefault("PEERLY_SECRET", secrets.load_or_make(options.data_dir, [SECRET])[SECRET])
    async with AsyncExitStack() as stack:
        admin_url = options.database_url or await _own_database(stack, options.data_dir)
        with _told("PostgreSQL cannot be used; is DATABASE_URL right?"):
            await migrate_all(admin_url, kept)
        with _told("RabbitMQ cannot be used; is AMQP_URL right?"):
            bus = await _bus(options.amqp_url)
        stack.push_async_callback(bus.close)
        running = [
            await stack.enter_async_context(started(service, _settings(service.name, admin_url, kept), bus))
            for service in SERVICES
        ]
        await stack.enter_async_context(working(running, failed))
        health = probes(running, bus)
        await stack.enter_async_context(listening(running, health, options.host, options.port, documents.routes()))
        async with asyncio.timeout(30):
            while await health.failing():
                await asyncio.sleep(0.05)
        yield running


class CannotStart(Exception):
    """The message says what is wrong and what to look at."""


@contextmanager
def _told(words: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, AMQPError) as error:
        raise CannotStart(f"{words} ({type(error).__name__}: {error})") from error


async def _own_database(stack: AsyncExitStack, data_dir: Path) -> str:
    server = await stack.enter_async_context(EmbeddedPostgres(data_dir / "postgres"))
    return server.url


async def _bus(amqp_url: str) -> Bus:
    if not amqp_url:
        return InProcessBus(SUBSCRIPTIONS)
    await declare_bus(amqp_url)
    return RabbitBus(amqp_url)


def _settings(service: str, admin_url: str, kept: dict[str, str]) -> Settings:
    read = next(one.read_settings for one in SERVICES if one.name == service)
    os.environ.setdefault("DATABASE_URL", admin_url)
    return replace(read(Env()), database_url=as_role(admin_url, f"peerly_{service}", kept[service]))


async def serve(options: Options) -> int:
    """Runs until SIGTERM or SIGINT; returns the exit code."""
    stop, failed = asyncio.Event(), asyncio.Event()
    stop_on_signals(stop)
    welcome = Welcome(sys.stdout, options.data_dir, demo=options.demo)
    welcome.starting()
    async with all_running(options, failed) as running:
        await welcome.ready(running, f"http://{_shown(options.host)}:{options.port}", stop)
        await first_of(stop, failed)
        welcome.stopping()
    return 1 if failed.is_set() else 0


def _shown(host: str) -> str:
    return "localhost" if host in {"0.0.0.0", "127.0.0.1", "::"} else host


def main(argv: Sequence[str]) -> int:
    """The command line's default; says in one sentence what is wrong when it cannot start."""
    argparse.ArgumentParser(
        prog="python -m services run",
        description="All of Peerly in one process behind one port, on a PostgreSQL and a bus of its own, or on those of"
        " DATABASE_URL (an administrator's) and AMQP_URL.",
        epilog="The environment: PEERLY_PORT, PEERLY_HOST, PEERLY_DATA_DIR, PEERLY_DEMO and other PEERLY_*.",
    ).parse_args(argv)
    telemetry.log_for_a_person()
    try:
        return uvloop.run(serve(Options.read(Env())))
    except (EnvError, CannotStart, CannotMakeAdmin, EmbeddedPostgresError, MigrationEdited, OSError) as error:
        sys.stderr.write(f"Peerly cannot start: {error}\n")
        return USAGE_ERROR
