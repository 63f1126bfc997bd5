"""CPU time and memory of processes, from /proc, and the load of wrk on them."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

CONNECTIONS = 32
SCRIPTS = Path(__file__).parent / "wrk"
ROOT = Path(__file__).parents[1]
_TICK = os.sysconf("SC_CLK_TCK")


class CannotMeasure(Exception):
    """A benchmark cannot run here, or its answers were wrong; the message says what to do or what came."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of load did; latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float


def require_wrk() -> None:
    if shutil.which("wrk") is None:
        raise CannotMeasure("wrk puts the load on and is not installed. On Debian or Ubuntu: apt-get install wrk")


async def wrk(
    url: str,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    script: str = "read",
    arguments: Sequence[str] = (),
) -> Load:
    """32 connections for so many seconds. Raises `CannotMeasure` when any request was refused or not answered."""
    words = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{round(seconds)}s", "--timeout", "10s"]
    words += [word for name, value in (headers or {}).items() for word in ("-H", f"{name}: {value}")]
    words += ["-s", str(SCRIPTS / f"{script}.lua"), url, "--", *arguments]
    process = await asyncio.create_subprocess_exec(
        *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said = (await process.communicate())[0].decode()
    if process.returncode:
        raise CannotMeasure(f"wrk failed: {said}")
    found = json.loads(said.strip().splitlines()[-1])
    if found["refused"] or found["broken"] or not found["requests"]:
        raise CannotMeasure(f"{url}: {found['refused']} refused and {found['broken']} broken of {found['requests']}")
    return Load(found["requests"], found["seconds"], found["p50"], found["p99"])


def tree(pid: int) -> list[int]:
    """A process and all that it has started."""
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes and of their ended children that they waited for."""
    return sum(_ticks(pid) for pid in pids) / _TICK


def _ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0
    return sum(map(int, fields[11:15]))


def peak_megabytes(pid: int) -> float:
    """The most memory that the process has had resident."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise CannotMeasure(f"/proc/{pid}/status has no VmHWM")
