"""The hot paths of this version beside those of an earlier one: both run, and take turns."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.comparing import Contender, Rounds, compare
from benchmarks.filling import PEOPLE
from benchmarks.measuring import ROOT, CannotMeasure, Load, wrk
from benchmarks.rows.reads import FEED
from benchmarks.rows.writes import put_hi5s, put_recognitions
from benchmarks.table import Line, ratio_line

LEAST = 0.95
"""No hot path may become slower by more than a twentieth."""
START_SECONDS = 180.0
STOP_SECONDS = 60.0


@dataclass(slots=True)
class Held:
    """One version's installation, as `holding.py` tells of it."""

    told: Mapping[str, Any]
    numbers: int = 0

    def reading(self, service: str, path: str) -> Contender:
        """GET of one path."""
        return self._contender(service, partial(wrk, self.told["urls"][service] + path, headers=self.told["headers"]))

    def giving_hi5s(self) -> Contender:
        """Hi5s, none twice."""
        return self._contender("recognition", self._give_hi5s)

    def thanking(self) -> Contender:
        """Recognitions."""
        told = self.told
        whom = {"people": told["people"], "receiver": told["receiver"], "value": told["first_value"]}
        return self._contender("recognition", lambda seconds: put_recognitions(self._recognition, seconds, **whom))

    async def _give_hi5s(self, seconds: float) -> Load:
        told = self.told
        load = await put_hi5s(
            self._recognition, seconds, people=told["people"], numbers=self.numbers, first=told["first_recognition"],
            count=told["recognitions"],
        )  # fmt: skip
        self.numbers += load.requests + PEOPLE
        return load

    @property
    def _recognition(self) -> str:
        return str(self.told["urls"]["recognition"])

    def _contender(self, service: str, load: Callable[[float], Any]) -> Contender:
        return Contender(service, load, [self.told["pids"][service]], self.told["postgres"])


PATHS: Mapping[str, tuple[str, Callable[[Held], Contender]]] = {
    "feed": (f"GET {FEED}", lambda held: held.reading("recognition", FEED)),
    "core_values": ("GET /core_values", lambda held: held.reading("recognition", "/core_values")),
    "me": ("GET /users/me", lambda held: held.reading("auth", "/users/me")),
    "quota": ("GET /quota/me", lambda held: held.reading("quota", "/quota/me")),
    "hi5": ("POST /recognitions/:id/hi5", Held.giving_hi5s),
    "give": ("POST /recognitions", Held.thanking),
}
"""What is compared, by the name that ONLY= takes."""


async def beside(base: str, names: list[str], rounds: Rounds, folder: Path) -> list[Line]:
    """The lines of these paths. Raises `CannotMeasure` for a commit that there is not, or that does not start."""
    async with (
        tree_of(base, folder / "tree") as tree,
        held(tree, folder / "before") as before,
        held(ROOT, folder / "now") as now,
    ):
        lines = []
        for name in names:
            what, contender = PATHS[name]
            found = await compare([contender(now), contender(before)], rounds, postgres=0)
            lines.append(ratio_line(what, found[0], base, found[1], LEAST))
            print(f"{name}: {lines[-1].ratio} of the throughput, CPU {lines[-1].cpu_ratio}", flush=True)
        return lines


@asynccontextmanager
async def tree_of(commit: str, folder: Path) -> AsyncIterator[Path]:
    """The files of a commit."""
    await _git("worktree", "add", "--detach", str(folder), commit)
    try:
        yield folder
    finally:
        await _git("worktree", "remove", "--force", str(folder))


async def _git(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(
        "git", *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode()
    if process.returncode:
        raise CannotMeasure(f"git {words[0]} {words[1]} failed: {said.strip()}")


@asynccontextmanager
async def held(tree: Path, folder: Path) -> AsyncIterator[Held]:
    """The installation of the version in a folder."""
    folder.mkdir()
    log = folder / "log"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(ROOT / "benchmarks" / "holding.py"), str(folder), cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree)}, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_SECONDS):
            line = await process.stdout.readline()
        if not line:
            raise CannotMeasure(f"{tree} does not start:\n{log.read_text(errors='replace')[-2000:]}")
        yield Held(json.loads(line))
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
