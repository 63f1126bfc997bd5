"""What an operator does to one service by hand: look after dead events, rebuild read models."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from shared import dead
from shared.backlog import backlog
from shared.bus import Bus, InProcessBus
from shared.bus.rabbitmq import RabbitBus
from shared.database import Database
from shared.rebuild import caught_up, rebuild

LOOK_SECONDS = 1.0


def dead_options(argv: Sequence[str], service: str) -> argparse.Namespace:
    """What `dead list|show|retry|drop` asks for; ends the program on --help and wrong words."""
    return dead.parser(f"python -m services.{service} dead").parse_args(argv)


async def work_on_dead(options: argparse.Namespace, service: str, database_url: str, amqp_url: str | None) -> int:
    """Does it; returns the exit code. Raises `Unconfirmed` and what the database raises."""
    bus: Bus = RabbitBus(amqp_url) if amqp_url else InProcessBus({})
    try:
        async with _database(service, database_url) as database:
            return await dead.run(options, database, bus, service)
    finally:
        await bus.close()


def rebuild_options(argv: Sequence[str], service: str) -> argparse.Namespace:
    """What `rebuild` asks for; ends the program on --help and wrong words."""
    parser = argparse.ArgumentParser(
        prog=f"python -m services.{service} rebuild",
        description="Empties this service's read models; its consumer and the other services' relays fill them again "
        "from the kept events. What the service owns itself stays.",
    )
    parser.add_argument("--wait", type=float, default=300, metavar="SECONDS", help="watch it so long at most (300)")
    return parser.parse_args(argv)


async def work_on_rebuild(options: argparse.Namespace, service: str, database_url: str) -> int:
    """Empties the read models and watches them fill; returns the exit code. Raises what the database raises."""
    async with _database(service, database_url) as database:
        await rebuild(database)
        return await _watch(database, options.wait)


async def _watch(database: Database, seconds: float) -> int:
    deadline = asyncio.get_running_loop().time() + seconds
    while not await caught_up(database):
        if asyncio.get_running_loop().time() > deadline:
            sys.stdout.write("Not done yet. It goes on by itself while the services run; are they all running?\n")
            return 1
        counts = await backlog(database)
        sys.stdout.write(f"still to come: {counts}\n")
        await asyncio.sleep(LOOK_SECONDS)
    sys.stdout.write("Rebuilt: every event that is known has been handled.\n")
    return 0


@asynccontextmanager
async def _database(service: str, url: str) -> AsyncIterator[Database]:
    database = await Database.connect(url, schema=service, size=2, application_name=f"peerly {service} operator")
    try:
        yield database
    finally:
        await database.close()
