"""Decisions about core values and recognitions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recognition.domain.core_values import LEVELS, Tree, nested
from services.recognition.domain.recognitions import (
    Surroundings,
    UnknownOrganisation,
    UnknownReceiver,
    check_recognition,
)
from services.recognition.domain.texts import text_key
from shared.errors import InvalidData, InvalidToken, Unprocessable

KNOWN = Surroundings(giver_active=True, receiver_active=True, core_value_exists=True, cost=1)
# 1 > 2 > 3, and 4 alone
PARENTS = {1: None, 2: 1, 3: 2, 4: None}


@pytest.mark.parametrize(
    ("one", "other"),
    [("Teamwork", "TEAMWORK"), ("Straße", "STRASSE"), ("Café", "Cafe\u0301"), ("ΣΊΣΥΦΟΣ", "σίσυφος")],
)
def test_texts_that_differ_in_case_or_composition_are_the_same(one: str, other: str) -> None:
    assert text_key(one) == text_key(other)


def test_other_texts_are_not_the_same() -> None:
    assert text_key("Resume") != text_key("Résumé")


@given(st.text(max_size=100))
def test_the_key_of_a_key_is_itself(text: str) -> None:
    assert text_key(text_key(text)) == text_key(text)


@pytest.mark.parametrize(
    ("value_id", "parent_id"),
    [(None, None), (None, 1), (None, 2), (None, 4), (4, 1), (4, 2), (3, 4), (2, 4), (1, None)],
)
def test_what_fits_in_three_levels_is_allowed(value_id: int | None, parent_id: int | None) -> None:
    Tree(PARENTS).check(value_id, parent_id)


@pytest.mark.parametrize(
    ("value_id", "parent_id", "reason"),
    [
        (None, 3, "3 levels"),
        (4, 3, "3 levels"),
        (1, 4, "3 levels"),
        (1, 1, "under itself"),
        (1, 2, "under itself"),
        (1, 3, "under itself"),
        (None, 9, "No such"),
        (4, 9, "No such"),
    ],
)
def test_what_breaks_the_tree_is_refused(value_id: int | None, parent_id: int, reason: str) -> None:
    with pytest.raises(InvalidData) as refused:
        Tree(PARENTS).check(value_id, parent_id)
    assert reason in refused.value.fields["parent_core_value_id"]


@given(st.lists(st.tuples(st.integers(0, 7), st.one_of(st.none(), st.integers(0, 7))), max_size=40))
def test_allowed_moves_never_make_cycles_or_a_fourth_level(moves: list[tuple[int, int | None]]) -> None:
    parents: dict[int, int | None] = dict.fromkeys(range(8))
    for value_id, parent_id in moves:
        try:
            Tree(parents).check(value_id, parent_id)
        except InvalidData:
            continue
        parents[value_id] = parent_id
        for leaf in parents:
            assert len(chain(parents, leaf)) <= LEVELS


def chain(parents: dict[int, int | None], value_id: int) -> list[int]:
    above, at = [value_id], parents[value_id]
    while at is not None and len(above) <= len(parents):
        above.append(at)
        at = parents[at]
    return above


def test_a_tree_nests_children_in_the_order_of_ids() -> None:
    rows = [{"id": id_, "parent_core_value_id": parent} for id_, parent in {**PARENTS, 5: 1}.items()]
    one, four = nested(rows)
    assert [child["id"] for child in one["children"]] == [2, 5]
    assert one["children"][0]["children"][0]["id"] == 3
    assert four == {"id": 4, "parent_core_value_id": None, "children": []}


@pytest.mark.parametrize("cost", [0, 1])
def test_a_recognition_costs_what_the_organisation_says(cost: int) -> None:
    around = Surroundings(giver_active=True, receiver_active=True, core_value_exists=True, cost=cost)
    assert check_recognition(1, 2, around) == cost


def test_thanking_oneself_is_against_the_rules() -> None:
    with pytest.raises(Unprocessable):
        check_recognition(1, 1, KNOWN)


def test_a_deactivated_giver_has_no_say() -> None:
    with pytest.raises(InvalidToken):
        check_recognition(1, 2, Surroundings(False, True, True, 0))


def test_every_wrong_field_is_named() -> None:
    with pytest.raises(InvalidData) as refused:
        check_recognition(1, 2, Surroundings(True, False, False, 0))
    assert set(refused.value.fields) == {"core_value_id", "given_for"}


def test_an_unknown_receiver_may_be_on_the_way_but_a_deactivated_one_is_not() -> None:
    with pytest.raises(UnknownReceiver):
        check_recognition(1, 2, Surroundings(True, None, True, 0))
    with pytest.raises(InvalidData) as refused:
        check_recognition(1, 2, Surroundings(True, False, True, 0))
    assert not isinstance(refused.value, UnknownReceiver)


def test_without_the_organisations_settings_nothing_is_given() -> None:
    with pytest.raises(UnknownOrganisation):
        check_recognition(1, 2, Surroundings(True, True, True, None))
