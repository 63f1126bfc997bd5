"""How events of an allowance become entries: in order, complete, and never below zero."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.quota.domain import (
    Adjustment,
    Book,
    Entry,
    Place,
    Settings,
    Totals,
    TotalsDiffer,
    entries,
    left,
    place,
    policy_of,
    retired,
)
from shared.contracts.recognition import Allowance

NOON = datetime(2026, 7, 15, 12, tzinfo=UTC)
FIRST = Allowance(
    id=5,
    user_id=1,
    seq=1,
    starts_at=0,
    ends_at=100,
    granted=10,
    spent_total=1,
    refunded_total=0,
    policy_version=1,
    adjustments_version=0,
    epoch=1,
)
BOOK = Book(4, 1, 0, 100, Totals(10, 3, 1))
NEXT = replace(FIRST, seq=5, spent_total=4, refunded_total=1)


@pytest.mark.parametrize(
    ("book", "allowance", "outlived", "found"),
    [
        (None, FIRST, False, Place.NEXT),
        (None, replace(FIRST, seq=2), False, Place.EARLY),
        (None, FIRST, True, Place.KNOWN),
        (BOOK, NEXT, False, Place.NEXT),
        (BOOK, replace(NEXT, seq=4), False, Place.KNOWN),
        (BOOK, replace(NEXT, seq=1), False, Place.KNOWN),
        (BOOK, replace(NEXT, seq=6), False, Place.EARLY),
        (BOOK, replace(NEXT, seq=2, epoch=2), False, Place.NEXT),
        (BOOK, replace(NEXT, seq=9, epoch=2), False, Place.NEXT),
        (BOOK, replace(NEXT, epoch=0), False, Place.KNOWN),
        (BOOK, NEXT, True, Place.KNOWN),
    ],
)
def test_place_of_an_event(book: Book | None, allowance: Allowance, outlived: bool, found: Place) -> None:
    assert place(book, allowance, outlived=outlived) == found


def test_first_spend_grants_and_spends() -> None:
    assert entries(None, FIRST, "spend", []) == [Entry("grant", 10), Entry("spend", -1, 1)]


def test_refund_comes_before_a_reduction() -> None:
    full = Book(4, 1, 0, 100, Totals(3, 3, 0))
    after = replace(NEXT, granted=2, spent_total=3, refunded_total=1)
    assert entries(full, after, "refund", []) == [Entry("refund", 1, -1), Entry("reduction", -1)]


def test_what_adjustments_do_not_explain_is_a_grant_or_a_reduction() -> None:
    raised = replace(NEXT, granted=13)
    assert entries(BOOK, raised, "spend", [])[0] == Entry("grant", 3)
    explained = [Entry("adjustment", 1, line=8), Entry("grant", 2), Entry("spend", -1, 1)]
    assert entries(BOOK, raised, "spend", [Adjustment(8, 1)]) == explained
    lowered = [Entry("adjustment", 5, line=8), Entry("reduction", -2), Entry("spend", -1, 1)]
    assert entries(BOOK, raised, "spend", [Adjustment(8, 5)]) == lowered


@pytest.mark.parametrize(
    "wrong",
    [
        {"spent_total": 5},
        {"refunded_total": 0},
        {"granted": 2},
        {"granted": -1},
        {"starts_at": 1},
        {"epoch": 2, "spent_total": 0, "refunded_total": 0},
        {"epoch": 2, "spent_total": 1, "refunded_total": 1},
    ],
)
def test_totals_that_differ_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(TotalsDiffer):
        entries(BOOK, replace(NEXT, **wrong), "spend", [])


def test_new_epoch_begins_with_a_correction() -> None:
    restored = replace(NEXT, seq=3, epoch=2, spent_total=1, refunded_total=0)
    assert entries(BOOK, restored, "spend", []) == [Entry("correction", 2, -2), Entry("spend", -1, 1)]


def test_new_epoch_that_lost_nothing_needs_no_correction() -> None:
    assert entries(BOOK, replace(NEXT, epoch=2), "spend", []) == [Entry("spend", -1, 1)]


def test_lost_allowance_is_emptied() -> None:
    assert retired(Totals(10, 3, 1)) == [Entry("correction", -8, -2)]
    assert retired(Totals(0, 0, 0)) == []


def test_nothing_less_than_nothing_is_left() -> None:
    assert (left(10, 3), left(3, 5)) == (7, 0)


def test_policy_counts_its_settings_and_takes_the_newest_limit() -> None:
    first = Settings(3, 10, "WEEKLY", "UTC", NOON)
    second = Settings(9, 4, "WEEKLY", "UTC", NOON - timedelta(days=400))
    policy = policy_of([second, first])
    assert (policy.version, policy.hi5_limit, len(policy.calendars)) == (2, 4, 1)


steps = st.lists(
    st.tuples(st.sampled_from(["spend", "spend", "refund"]), st.integers(0, 12), st.integers(-4, 4)), max_size=40
)


@given(steps, st.integers(1, 12))
def test_entries_come_to_the_events_totals_and_never_fall_below_zero(
    history: list[tuple[str, int, int]], limit: int
) -> None:
    """A model of recognition: limits and adjustments change, it spends what is left and refunds what was spent."""
    book: Book | None = None
    known: list[Adjustment] = []
    posted: set[int | None] = set()
    available = spent = 0
    for movement, new_limit, amount in history:
        limit = new_limit or limit
        if amount:
            known.append(Adjustment(len(known) + 1, amount))
        target = limit + sum(adjustment.amount for adjustment in known)
        allowance = _moved(book, movement, target)
        if allowance is None:
            continue
        unposted = [adjustment for adjustment in known if adjustment.id not in posted]
        found = entries(book, allowance, "spend" if movement == "spend" else "refund", unposted)
        running = list(accumulate((entry.available for entry in found), initial=available))
        assert min(running) >= 0
        available, spent = running[-1], spent + sum(entry.spent for entry in found)
        posted |= {entry.line for entry in found}
        book = Book(allowance.seq, 1, 0, 100, Totals.of(allowance))
        assert (available, spent) == (book.totals.granted - book.totals.net, book.totals.net)


def _moved(book: Book | None, movement: str, target: int) -> Allowance | None:
    """The allowance after the movement, or None where recognition would refuse it."""
    seq, before = (0, Totals(0, 0, 0)) if book is None else (book.seq, book.totals)
    if (movement == "spend" and before.net >= target) or (movement == "refund" and before.net == 0):
        return None
    spends, refunds = (
        (before.spent + 1, before.refunded) if movement == "spend" else (before.spent, before.refunded + 1)
    )
    granted = max(target, spends - refunds)
    return replace(FIRST, seq=seq + 1, granted=granted, spent_total=spends, refunded_total=refunds)
