"""Holds the installation of one version ready to be measured until its standard input ends.

`python benchmarks/holding.py FOLDER` with PYTHONPATH at the root of that version: the packages are its own, this
program is the newest, so that versions from before it can be held, too. It prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from benchmarks.comparing import Rounds
from benchmarks.filling import SMALL
from benchmarks.place import prepared

SERVICES = ("auth", "recognition", "quota")


async def hold(folder: Path) -> None:
    async with prepared(folder, Rounds(1, 1, 1), quick=False, with_large=False) as place:
        told = {
            "urls": {service: place.system.service_url(service) for service in SERVICES},
            "pids": {service: place.system.pids[service] for service in SERVICES},
            "postgres": place.postgres,
            "headers": place.headers(),
            "people": place.people(),
            "first_recognition": SMALL.first_recognition,
            "recognitions": SMALL.recognitions,
            "receiver": SMALL.receiver,
            "first_value": SMALL.first_value,
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(hold(Path(sys.argv[1])))
