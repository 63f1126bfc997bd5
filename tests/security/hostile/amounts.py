"""How much is tried: a sample always, all of it with PEERLY_TEST_LONG=1."""

from __future__ import annotations

from tests.support.lengths import LONG


def amount(sample: int, long: int) -> int:
    return long if LONG else sample
