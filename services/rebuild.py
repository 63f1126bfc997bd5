"""`python -m services rebuild SERVICE`: the same as `python -m services.SERVICE rebuild`, addresses found."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from environs import Env

from services.connections import addresses, named_service
from shared.operating import rebuild_options, work_on_rebuild


def main(argv: Sequence[str]) -> int:
    """Empties one service's read models and watches them fill."""
    service, rest = named_service("rebuild", "Rebuilds a service's read models from the kept events.", argv)
    options = rebuild_options(rest, service)

    async def work() -> int:
        async with addresses(Env()) as where:
            return await work_on_rebuild(options, service, where.services[service])

    return asyncio.run(work())
