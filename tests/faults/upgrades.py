"""F49: the version before the newest migration works on beside this one, on the tables as this one has made them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

from deploy.broker import SERVICES
from tests.faults.row import Scene
from tests.support.servers_rabbitmq import run_command

ROOT = Path(__file__).parents[2]
TOGETHER_SECONDS = 4.0
_MIGRATIONS = (":(glob)services/*/migrations/*.sql", ":(glob)shared/migrations/*.sql")


async def two_versions(scene: Scene) -> float:
    """Each service once in each version, asked in turn, as while a new version is being brought out."""
    rig = scene.rig
    old, name = await _version_before(rig.folder / "old")
    for service in SERVICES:
        second = await rig.second(service, PYTHONPATH=str(old), PYTHONSAFEPATH="1")
        await rig.route(service, service, second)
    await asyncio.sleep(TOGETHER_SECONDS)
    for service in SERVICES:
        await rig.route(service, service)
        await rig.system.stop(f"{service} 2")
    statuses = Counter(status for one in scene.load.operations for status in one.statuses)
    broken = {status: count for status, count in statuses.items() if status >= 500}
    assert not broken, broken
    scene.note(f"{name} beside this version: 0 x 5xx in {statuses.total()} calls")
    return time.monotonic()


async def _version_before(folder: Path) -> tuple[Path, str]:
    """The files as they were before a migration was last added, out of this repository's history; and their commit."""
    git = ("git", "-C", str(ROOT))
    newest = (await run_command([*git, "log", "-1", "--format=%H", "--", *_MIGRATIONS])).strip()
    name = (await run_command([*git, "rev-parse", "--short", f"{newest}^"])).strip()
    if not folder.exists():
        folder.mkdir()
        await run_command(
            [*git, "archive", f"--output={folder}.tar", name, "services", "shared", "deploy", "gateway", "docs"]
        )
        await run_command(["tar", "-xf", f"{folder}.tar", "-C", str(folder)])
    return folder, name
