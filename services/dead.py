"""`python -m services dead [SERVICE] list|show|retry|drop`: dead events, with the addresses found."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from environs import Env

from services.connections import SERVICE_NAMES, addresses, named_service
from shared.operating import dead_options, work_on_dead

DESCRIPTION = "Events that a service could not handle. `list` without a service lists them of all."


def main(argv: Sequence[str]) -> int:
    """Works on the tables of one service, and on its dead queue where AMQP_URL names a broker."""
    if argv and argv[0] == "list":
        return max(_work(service, argv, heading=f"{service}:\n") for service in SERVICE_NAMES)
    service, rest = named_service("dead", DESCRIPTION, argv)
    return _work(service, rest)


def _work(service: str, argv: Sequence[str], heading: str = "") -> int:
    options = dead_options(argv, service)

    async def work() -> int:
        env = Env()
        async with addresses(env) as where:
            return await work_on_dead(options, service, where.services[service], env.str("AMQP_URL", "") or None)

    sys.stdout.write(heading)
    return asyncio.run(work())
