"""Every kind of credential in the place of every other (S11): each opens what it was made for and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import product

import pytest

from tests.support.databases import Databases
from tests.support.kinds import KINDS, MADE_FOR, PLACES, World, holding


@pytest.fixture(scope="module")
async def world(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with holding(databases, tmp_path_factory.mktemp("kinds")) as made:
        yield made


WRONG_PAIRS = [(kind, place) for kind, place in product(KINDS, PLACES) if kind not in MADE_FOR[place]]


def test_s11_every_kind_meets_every_place(world: World) -> None:
    assert sorted(world.held) == KINDS
    assert len(WRONG_PAIRS) >= 80


@pytest.mark.parametrize(("kind", "place"), WRONG_PAIRS, ids=[f"{kind} as {place}" for kind, place in WRONG_PAIRS])
async def test_s11_what_is_made_for_one_place_opens_no_other(world: World, kind: str, place: str) -> None:
    """All of these come first: a code, a link and a refresh token are used up where they belong."""
    statuses = await PLACES[place](world, world.held[kind])
    assert {400, 401}.issuperset(statuses), statuses


@pytest.mark.parametrize("place", [place for place in PLACES if place != "link"] + ["link"])
async def test_s11_each_opens_what_it_was_made_for(world: World, place: str) -> None:
    """The link comes last: it ends whatever else there is."""
    for kind in sorted(MADE_FOR[place]):
        assert set(await PLACES[place](world, world.held[kind])) == {200}, kind
