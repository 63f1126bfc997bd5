"""`python -m services migrate`: every service's roles, schema and tables, and the bus's exchanges and queues."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Mapping, Sequence

import asyncpg
from environs import Env, EnvError

from services.catalogue import SERVICES, SUBSCRIPTIONS
from shared import telemetry
from shared.bus import topology
from shared.cli import USAGE_ERROR
from shared.migrate import MigrationEdited, migrate, read


async def migrate_all(admin_url: str, passwords: Mapping[str, str | None]) -> None:
    """Brings the database up to date; safe to run again and at the same time as another one."""
    for service in SERVICES:
        migrations = read(service.migrations, service.shared_parts)
        applied = await migrate(admin_url, service.name, migrations, password=passwords.get(service.name))
        if applied:
            telemetry.log("migrated", service=service.name, applied=applied)


async def declare_bus(amqp_url: str) -> None:
    """Declares what the services publish to and consume from; the address is an administrator's."""
    await topology.declare(amqp_url, SUBSCRIPTIONS)
    telemetry.log("bus declared")


def main(argv: Sequence[str]) -> int:
    """Runs with addresses and passwords from the environment."""
    argparse.ArgumentParser(
        prog="python -m services migrate",
        description="Brings all services' roles, schemas and tables up to date, and the broker's exchanges and queues.",
        epilog="The environment: PEERLY_ADMIN_DATABASE_URL, PEERLY_ADMIN_AMQP_URL (else the broker is left alone),"
        " PEERLY_<SERVICE>_DATABASE_PASSWORD.",
    ).parse_args(argv)
    telemetry.log_to_standard_output()
    env = Env()
    try:
        admin_url = env.str("PEERLY_ADMIN_DATABASE_URL")
    except EnvError as error:
        sys.stderr.write(f"{error}; it names the database with an administrator's role\n")
        return USAGE_ERROR
    amqp_url = env.str("PEERLY_ADMIN_AMQP_URL", "")
    passwords = {
        service.name: env.str(f"PEERLY_{service.name.upper()}_DATABASE_PASSWORD", "") or None for service in SERVICES
    }

    async def work() -> None:
        await migrate_all(admin_url, passwords)
        if amqp_url:
            await declare_bus(amqp_url)

    try:
        asyncio.run(work())
    except (MigrationEdited, asyncpg.PostgresError, OSError) as error:
        sys.stderr.write(f"The migration failed and changed nothing of the service it was at: {error}\n")
        return 1
    return os.EX_OK
