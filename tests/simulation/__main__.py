"""`python -m tests.simulation`: 20,000 seeds and the table of mutations; `--seed 123` replays one."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import uvloop

from tests.simulation.fleet import Fleet, fleet
from tests.simulation.running import CLEAN_EVERY, group_of
from tests.simulation.themes import STEPS
from tests.support.servers import POSTGRES, first_usable

MANY = 20_000
MUTATION_SEEDS = 400
SHOWN = 100


def main(argv: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=MANY, help="how many, from the group of --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, help="one, with all that happens in it")
    parser.add_argument("--steps", type=int, default=STEPS, help="faults and requests in each, before it comes to rest")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-mutations", action="store_true", help="leave out the table of removed guards")
    return uvloop.run(work(parser.parse_args(argv)))


async def work(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory() as folder:
        async with first_usable("PostgreSQL", POSTGRES, Path(folder)) as server, fleet(server, options.workers) as made:
            if options.seed is not None:
                return await replay(made, options)
            held = await run_seeds(made, options)
            caught = options.no_mutations or await run_mutations(made)
            return 0 if held and caught else 1


async def replay(made: Fleet, options: argparse.Namespace) -> int:
    outcome = await made.replay(options.seed, options.steps)
    print(*outcome.trace, sep="\n")
    print(f"seed {outcome.seed}: {outcome.violation or 'everything holds'}")
    return 1 if outcome.violation else 0


async def run_seeds(made: Fleet, options: argparse.Namespace) -> bool:
    began = time.monotonic()
    first = group_of(options.first) * CLEAN_EVERY
    tally = await made.run(range(first, first + options.seeds), options.steps)
    for outcome in tally.failed:
        print(f"seed {outcome.seed}: {outcome.violation}\n  replay it: {again(outcome.seed, options.steps)}")
    print(
        f"{tally.seeds} seeds of {options.steps} steps in {time.monotonic() - began:.0f} s: {tally.asked} requests,"
        f" {tally.made} of them fulfilled, {tally.crashes} crashes; {len(tally.failed)} seeds violate an invariant"
    )
    return not tally.failed


def again(seed: int, steps: int) -> str:
    return f"make simulate SEED={seed}" + ("" if steps == STEPS else f" STEPS={steps}")


async def run_mutations(made: Fleet) -> bool:
    began = time.monotonic()
    table = await made.catch(MUTATION_SEEDS)
    print("\n| removed guard | seeds until caught | caught by |\n|---|---|---|")
    for one in table:
        print(f"| {one.name} | {one.seeds} | {(one.by or 'NOTHING')[:SHOWN]} |")
    caught = sum(one.by is not None for one in table)
    print(f"\n{caught} of {len(table)} removed guards caught in {time.monotonic() - began:.0f} s")
    return caught == len(table)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
