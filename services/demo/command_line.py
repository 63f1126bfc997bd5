"""`python -m services demo`: the demo organisation beside an installation that runs or rests."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
from environs import Env, EnvError

from services.catalogue import SERVICES, SUBSCRIPTIONS
from services.connections import Addresses, addresses
from services.demo.filling import PATIENCE_SECONDS, Demo, fill_stage
from services.demo.stage import Stage
from shared import telemetry
from shared.bus import InProcessBus
from shared.clock import utc_now
from shared.consumer import Consumer
from shared.database import DATABASE_IS_AWAY, Database
from shared.embedded_postgres import EmbeddedPostgresError
from shared.relay import Relay
from shared.service import DRAIN_SECONDS, Service

UNUSABLE = 2
QUIET_SECONDS = 30.0
LOOK_SECONDS = 0.1
UNSENT = "SELECT EXISTS (SELECT FROM outbox WHERE sent_at IS NULL)"
AWAY: tuple[type[BaseException], ...] = (asyncpg.PostgresError, *DATABASE_IS_AWAY)


def main(argv: Sequence[str]) -> int:
    """Fills it and prints who may sign in; 2 when the services' tables are not there."""
    argparse.ArgumentParser(
        prog="python -m services demo",
        description="Makes a demo organisation with people, core values, recognitions, hi5s and reports; prints how to"
        " sign in, once. Does nothing when there is one already.",
    ).parse_args(argv)
    telemetry.log_for_a_person(logging.WARNING)
    try:
        made = asyncio.run(work())
    except (EnvError, EmbeddedPostgresError) as error:
        return _say(str(error))
    except AWAY as error:
        return _say(
            f"The demo could not be filled: {str(error) or repr(error)}. On a new database, start Peerly once"
            " (make run); then start this again: it goes on where it was."
        )
    sys.stdout.write(
        _introduction(made)
        if made
        else "There is a demo organisation already, or its domain is taken; nothing was changed.\n"
    )
    return 0


def _say(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return UNUSABLE


def _introduction(made: Demo) -> str:
    return (
        f"{made.organisation_name} (organisation {made.organisation_id}) with {made.people} people. Shown this once:\n"
        f"  admin     {made.admin.email} / {made.admin.password}\n"
        f"  employee  {made.employee.email} / {made.employee.password}\n"
    )


async def work() -> Demo | None:
    """Raises what the database raises."""
    async with addresses(Env()) as where, at_work(where) as stage:
        made = await fill_stage(stage)
        await _quiet(stage)
        return made


@asynccontextmanager
async def at_work(where: Addresses) -> AsyncIterator[Stage]:
    """Relays and consumers of all services in this process, whether or not others are at work: each event counts once.

    Nothing of theirs is served, and nobody is made at their start.
    """
    bus, stop = InProcessBus(SUBSCRIPTIONS), asyncio.Event()
    async with AsyncExitStack() as stack:
        databases = {one.name: await _database(stack, where, one, 4) for one in SERVICES}
        pools = {one.name: await _database(stack, where, one, 2) for one in SERVICES}
        relays = [Relay(pools[one.name], bus, one.name, utc_now) for one in SERVICES]

        def wake() -> None:
            for relay in relays:
                relay.wake()

        loops = [
            Consumer(databases[one.name], bus, one.name, one.handlers, utc_now, committed=wake).run for one in SERVICES
        ]
        loops += [relay.run for relay in relays]
        tasks = [asyncio.create_task(loop(stop)) for loop in loops]
        try:
            yield Stage(databases, wake, utc_now, PATIENCE_SECONDS)
        finally:
            stop.set()
            _, late = await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
            for task in late:
                task.cancel()


async def _database(stack: AsyncExitStack, where: Addresses, service: Service, size: int) -> Database:
    database = await Database.connect(
        where.services[service.name],
        schema=service.name,
        size=size,
        application_name="peerly demo",
        idle_in_transaction_session_timeout="10s",
    )
    stack.push_async_callback(database.close)
    return database


async def _quiet(stage: Stage) -> None:
    """Waits until every event is where it belongs; what takes longer is sent when Peerly runs again."""
    deadline = asyncio.get_running_loop().time() + QUIET_SECONDS
    clean = 0
    while clean < 2 and asyncio.get_running_loop().time() < deadline:
        unsent = [await database.fetch_value(UNSENT) for database in stage.databases.values()]
        clean = 0 if any(unsent) else clean + 1
        await asyncio.sleep(LOOK_SECONDS)
