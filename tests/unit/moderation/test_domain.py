"""The whole table of what a report or a review does to a case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.moderation import domain
from services.moderation.domain import Case, Decision, Recognition, State, UnknownRecognition
from shared.errors import AccessDenied, Unprocessable

GIVER, RECEIVER, OTHER = 1, 2, 3
RECOGNITION = Recognition(10, GIVER, RECEIVER)


def case(state: State, visibility_version: int = 0) -> Case:
    return Case(RECOGNITION.id, state, visibility_version)


@pytest.mark.parametrize(("before", "after"), [("open", "open"), ("dismissed", "open"), ("hidden", "hidden")])
def test_a_report_opens_a_dismissed_case_and_leaves_a_hidden_one(before: State, after: State) -> None:
    assert domain.state_after_report(before) == after


@pytest.mark.parametrize("reporter", [RECEIVER, OTHER])
@pytest.mark.parametrize("state", ["open", "dismissed"])
def test_everybody_but_the_giver_may_report_what_is_visible(reporter: int, state: State) -> None:
    domain.check_report(RECOGNITION, case(state), reporter=reporter, sees_hidden=False)


def test_a_report_of_what_oneself_gave_is_refused() -> None:
    with pytest.raises(Unprocessable):
        domain.check_report(RECOGNITION, case("open"), reporter=GIVER, sees_hidden=True)


@pytest.mark.parametrize("reporter", [GIVER, RECEIVER, OTHER])
def test_a_hidden_recognition_is_unknown_to_who_may_not_review(reporter: int) -> None:
    with pytest.raises(UnknownRecognition) as refused:
        domain.check_report(RECOGNITION, case("hidden"), reporter=reporter, sees_hidden=False)
    assert set(refused.value.fields) == {"id"}


def test_a_moderator_may_report_a_hidden_recognition() -> None:
    domain.check_report(RECOGNITION, case("hidden"), reporter=OTHER, sees_hidden=True)


@pytest.mark.parametrize("reviewer", [GIVER, RECEIVER])
def test_a_party_does_not_review(reviewer: int) -> None:
    with pytest.raises(AccessDenied):
        domain.check_review(RECOGNITION, reviewer=reviewer)


def test_anybody_else_may_review() -> None:
    domain.check_review(RECOGNITION, reviewer=OTHER)


@pytest.mark.parametrize(
    ("before", "is_inappropriate", "expected"),
    [
        ("open", True, Decision("hidden", "hidden", 5)),
        ("dismissed", True, Decision("hidden", "hidden", 5)),
        ("hidden", True, Decision("hidden", None, 4)),
        ("open", False, Decision("dismissed", None, 4)),
        ("dismissed", False, Decision("dismissed", None, 4)),
        ("hidden", False, Decision("dismissed", "restored", 5)),
    ],
)
def test_the_newest_review_stands(before: State, is_inappropriate: bool, expected: Decision) -> None:
    assert domain.decide(case(before, 4), is_inappropriate=is_inappropriate) == expected


@given(st.lists(st.sampled_from(["report", "hide", "dismiss"])))
def test_changes_alternate_and_count_without_gaps(steps: list[str]) -> None:
    present = case("open")
    changes: list[tuple[str, int]] = []
    for step in steps:
        if step == "report":
            present = case(domain.state_after_report(present.state), present.visibility_version)
            continue
        decision = domain.decide(present, is_inappropriate=step == "hide")
        present = case(decision.state, decision.visibility_version)
        if decision.change is not None:
            changes.append((decision.change, decision.visibility_version))
    assert changes == [("hidden" if number % 2 else "restored", number) for number in range(1, len(changes) + 1)]
    assert (present.state == "hidden") == (len(changes) % 2 == 1)
