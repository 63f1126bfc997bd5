"""`python -m benchmarks`: measures, prints one table, and ends with 1 when a row is below its goal."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
from pathlib import Path
from time import monotonic

from benchmarks.comparing import Rounds
from benchmarks.measuring import CannotMeasure, require_wrk
from benchmarks.place import prepared
from benchmarks.rows import NEED_LARGE, ROWS
from benchmarks.table import Line, as_markdown
from benchmarks.versions import PATHS, beside

FULL = Rounds(5, 5, 3)
QUICK = Rounds(1, 1, 1)


def options() -> argparse.Namespace:
    made = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    made.add_argument("--only", default="", help=f"rows, separated by commas: {', '.join(ROWS)}")
    made.add_argument("--base", help=f"a commit: compares with it instead ({', '.join(PATHS)})")
    made.add_argument(
        "--quick", action="store_true", help="one round of a second: shows that it works, measures nothing"
    )
    chosen = made.parse_args()
    known = list(PATHS if chosen.base else ROWS)
    chosen.rows = [name for name in chosen.only.split(",") if name] or known
    if unknown := set(chosen.rows) - set(known):
        made.error(f"no such row: {', '.join(sorted(unknown))}. There are {', '.join(known)}")
    return chosen


async def against(base: str, names: list[str], *, quick: bool) -> list[Line]:
    """The lines of these hot paths beside those of an earlier commit."""
    with tempfile.TemporaryDirectory(prefix="peerly-bench-", dir="/tmp") as folder:
        print(f"Starting and filling {base} and this version", flush=True)
        return await beside(base, names, QUICK if quick else FULL, Path(folder))


async def run(names: list[str], *, quick: bool) -> list[Line]:
    """The lines of these rows, in the order of the table."""
    lines: list[Line] = []
    with tempfile.TemporaryDirectory(prefix="peerly-bench-", dir="/tmp") as folder:
        print("Starting PostgreSQL, RabbitMQ, the services and nginx, and filling them", flush=True)
        with_large = bool(NEED_LARGE.intersection(names))
        async with prepared(Path(folder), QUICK if quick else FULL, quick=quick, with_large=with_large) as place:
            for name in (name for name in ROWS if name in names):
                began = monotonic()
                lines += await ROWS[name](place)
                print(f"{name}: {monotonic() - began:.0f} s", flush=True)
    return lines


def main() -> int:
    chosen = options()
    try:
        require_wrk()
        work = (
            against(chosen.base, chosen.rows, quick=chosen.quick)
            if chosen.base
            else run(chosen.rows, quick=chosen.quick)
        )
        lines = asyncio.run(work)
    except CannotMeasure as reason:
        print(reason, file=sys.stderr)
        return 2
    print(f"\nPython {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}\n")
    print(as_markdown(lines))
    return 1 if any(line.met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
