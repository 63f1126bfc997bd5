"""The seeds and the removed guards of every run, and that the simulator keeps to its word."""

from __future__ import annotations

import asyncpg
import pytest

from tests.simulation.__main__ import again
from tests.simulation.fleet import fleet, replayed
from tests.simulation.preparing import build_simulation
from tests.simulation.running import Outcome, ground, outcomes
from tests.simulation.themes import STEPS
from tests.support.databases import Databases
from tests.support.servers import Postgres

SEEDS = 2_000
MUTATION_SEEDS = 400
WORKERS = 2

_MOMENTS = """
SELECT format(
    'SELECT %L AS place FROM %I.%I WHERE %I < %L::timestamptz AND %I > ''2000-01-01'' LIMIT 1',
    concat_ws('.', table_schema, table_name, column_name), table_schema, table_name, column_name, $1::text, column_name
) AS query
FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
WHERE table_schema IN ('auth', 'recognition', 'quota', 'moderation') AND data_type = 'timestamp with time zone'
    AND table_type = 'BASE TABLE' AND table_name <> 'schema_migrations'
"""


@pytest.mark.alone
@pytest.mark.timeout(1200)
async def test_no_seed_violates_an_invariant(postgres: Postgres) -> None:
    async with fleet(postgres, WORKERS) as made:
        tally = await made.run(range(SEEDS))
    assert [f"{bad.violation}; replay it: {again(bad.seed, STEPS)}" for bad in tally.failed] == []
    assert tally.seeds == SEEDS
    assert tally.made > 5 * SEEDS
    assert tally.crashes > SEEDS


@pytest.mark.alone
@pytest.mark.timeout(1200)
async def test_removed_guards_are_caught(postgres: Postgres) -> None:
    async with fleet(postgres, WORKERS) as made:
        table = await made.catch(MUTATION_SEEDS)
    assert [one.name for one in table if one.by is None] == []


async def test_a_seed_comes_out_the_same_again(databases: Databases) -> None:
    seeds = range(30, 36)
    assert await _outcomes(databases, seeds) == await _outcomes(databases, seeds)


async def test_a_seed_that_is_replayed_comes_out_as_it_did_among_the_others(databases: Databases) -> None:
    scratch = await databases.make(build_simulation)
    among: list[Outcome] = []
    for group in (range(20), range(20, 40)):
        async with ground(scratch) as on:
            among = [outcome async for outcome in outcomes(on, group)]
    again_alone = [await replayed(scratch, seed, STEPS) for seed in (20, 23, 31)]
    assert list(map(_figures, again_alone)) == [_figures(among[place]) for place in (0, 3, 11)]
    await databases.drop(scratch)


def _figures(outcome: Outcome) -> tuple[object, ...]:
    """All but the names in it: people have new numbers each time."""
    return outcome.seed, outcome.violation, outcome.asked, outcome.made, outcome.crashes, len(outcome.trace)


async def test_nothing_is_written_with_the_real_time(databases: Databases) -> None:
    scratch = await databases.make(build_simulation)
    async with ground(scratch) as on:
        _ = [outcome async for outcome in outcomes(on, range(6))]
    admin = await asyncpg.connect(scratch.admin_url)
    try:
        queries = await admin.fetch(_MOMENTS, "2030-01-01")
        assert len(queries) > 20
        found = [await admin.fetchval(row["query"]) for row in queries]
    finally:
        await admin.close()
        await databases.drop(scratch)
    # Which is of the installation itself, made before the simulation.
    assert [place for place in found if place is not None] == ["auth.organisations.created_at"]


async def _outcomes(databases: Databases, seeds: range) -> list[Outcome]:
    scratch = await databases.make(build_simulation)
    async with ground(scratch) as on:
        made = [outcome async for outcome in outcomes(on, seeds)]
    await databases.drop(scratch)
    return made
