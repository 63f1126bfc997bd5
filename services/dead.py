"""`python -m services dead [SERVICE] list|show|retry|drop`: dead events, with the addresses found."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from environs import Env

from services.connections import SERVICE_NAMES, addresses, data_folder, named_service
from services.doctor.place import find_broker
from shared.operating import dead_options, work_on_dead

DESCRIPTION = "Events that a service could not handle. `list` without a service lists them of all."


def main(argv: Sequence[str]) -> int:
    """Works on the tables of one service, and on its dead queue where there is a broker."""
    if argv and argv[0] == "list":
        return max(_work(service, argv, heading=f"{service}:\n") for service in SERVICE_NAMES)
    service, rest = named_service("dead", DESCRIPTION, argv)
    return _work(service, rest)


def _work(service: str, argv: Sequence[str], heading: str = "") -> int:
    options = dead_options(argv, service)

    async def work() -> int:
        env = Env()
        async with addresses(env) as where:
            broker = find_broker(data_folder(env))
            queue = None if broker is None else broker.services.get(service, broker.admin)
            return await work_on_dead(options, service, where.services[service], queue)

    sys.stdout.write(heading)
    return asyncio.run(work())
