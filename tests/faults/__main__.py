"""`python -m tests.faults [--repeats N] [--only F7,F9] [--short]`: the fault table, printed as it is found."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.report import heading, line, words
from tests.faults.rig import rig
from tests.faults.runner import run
from tests.faults.table import ROWS


async def main(only: frozenset[str], repeats: int | None, *, short: bool) -> int:
    began, failed = time.monotonic(), 0
    sys.stdout.write(heading())
    with tempfile.TemporaryDirectory(prefix="peerly-faults-") as folder:
        async with rig(Path(folder)) as made:
            for row in ROWS:
                if only and row.id not in only:
                    continue
                times, size = row.times[not short], row.sizes[not short]
                if times == 0 and not only:
                    continue
                result = await run(row, made, repeats or times or 1, size)
                failed += bool(result.failures)
                sys.stdout.write(line(result) + words(result))
                sys.stdout.flush()
    sys.stdout.write(f"\n{failed} rows failed; {time.monotonic() - began:.0f} s\n")
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description="Breaks everything and counts.")
    parser.add_argument("--only", default="", help="rows, as F7,F9")
    parser.add_argument("--repeats", type=int, help="of every row, instead of its own number")
    parser.add_argument("--short", action="store_true", help="as CI runs it; rows that --only names run in any case")
    asked = parser.parse_args()
    only = frozenset(filter(None, asked.only.split(",")))
    if unknown := only - {row.id for row in ROWS}:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    logging.disable(logging.ERROR)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.exit(asyncio.run(main(only, asked.repeats, short=asked.short)))
