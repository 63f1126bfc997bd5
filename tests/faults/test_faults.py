"""The rows that the fault table has a short form of; `make faults` runs them all."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.faults.report import line
from tests.faults.rig import Rig, rig
from tests.faults.row import Row
from tests.faults.runner import run
from tests.faults.table import ROWS

pytestmark = [pytest.mark.alone, pytest.mark.fault, pytest.mark.timeout(300)]

SHORT = [row for row in ROWS if row.times[0]]


@pytest.fixture(scope="module")
async def made(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with rig(tmp_path_factory.mktemp("faults")) as everything:
        yield everything


@pytest.mark.parametrize("row", SHORT, ids=[f"{row.id} {row.what}" for row in SHORT])
async def test_nothing_is_lost_doubled_or_overspent(made: Rig, row: Row) -> None:
    result = await run(row, made, row.times[0], row.sizes[0])
    assert not result.failures, (line(result), result.failures)
