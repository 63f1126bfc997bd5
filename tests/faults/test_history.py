"""The checker itself: each thing that may go wrong is counted."""

from __future__ import annotations

from tests.faults.history import Counts, Operation, judge, recovered


def asked(what: str, *statuses: int) -> Operation:
    operation = Operation("hi5", "ann", what)
    for status in statuses:
        operation.note(status)
    return operation


def test_everything_right_is_clean() -> None:
    history = [asked("a", 201), asked("b", 400), asked("c", 502, 201), Operation("read", "ben", None)]
    counts = judge(history, ["a", "c"])
    assert counts == Counts(attempted=3, acknowledged=2)
    assert counts.clean


def test_an_acknowledged_one_that_is_not_there_is_lost() -> None:
    assert judge([asked("a", 201)], []).lost == 1


def test_a_refused_one_that_is_there_is_unexpected_and_so_is_what_nobody_asked_for() -> None:
    assert judge([asked("a", 400)], ["a"]).unexpected == 1
    assert judge([], ["b"]).unexpected == 1


def test_one_that_is_there_twice_is_duplicated() -> None:
    assert judge([asked("a", 201)], ["a", "a", "a"]).duplicated == 2


def test_one_without_an_answer_that_is_there_is_recovered() -> None:
    assert recovered([asked("a", 0), asked("b", 504), asked("c", 201)], ["a", "c"]) == 1


def test_a_pair_that_was_refused_once_and_taken_once_is_no_surprise() -> None:
    assert judge([asked("a", 409), asked("a", 201)], ["a"]).clean
