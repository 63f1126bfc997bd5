"""Which passwords are taken."""

from __future__ import annotations

import unicodedata

from hypothesis import assume, given
from hypothesis import strategies as st

from services.auth.domain.passwords import LONGEST, SHORTEST, weakness
from services.auth.hashing import common_passwords

COMMON = common_passwords()


def test_the_list_is_long_enough_to_matter() -> None:
    assert len(COMMON) >= 3_000
    assert {"password", "123456789", "qwertyuiop", "letmein"} <= COMMON


@given(st.text(max_size=SHORTEST - 1))
def test_short_ones_are_refused(password: str) -> None:
    assume(len(unicodedata.normalize("NFC", password)) < SHORTEST)
    assert "15 to 256" in str(weakness(password, COMMON))


@given(st.sampled_from(sorted(COMMON)), st.integers(2, 6))
def test_common_ones_repeated_are_refused(word: str, times: int) -> None:
    assert weakness(word * times, COMMON)


@given(st.sampled_from(sorted(COMMON)), st.sampled_from(sorted(COMMON)))
def test_two_common_ones_together_are_refused(one: str, other: str) -> None:
    assert weakness(one + other, COMMON)
    assert weakness(f"{one} {other}".upper(), COMMON)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=5))
def test_a_few_characters_over_and_over_are_refused(unit: str) -> None:
    assert weakness(unit * 60, COMMON)


def test_no_kind_of_character_is_demanded() -> None:
    for password in (
        "correct horse battery staple",
        "0 1 9 3 7 2 6 8 5 4 4 1",
        "ÄÖÜ äöü ÄÖÜß äöü éé",
        "\U0001f9ed" * 7 + "\U0001f40b" * 9,
    ):
        assert weakness(password, COMMON) is None, password


def test_the_bounds_belong_to_what_is_allowed() -> None:
    longest = "".join(chr(0x4E00 + number * 7 % 999) for number in range(LONGEST))
    assert weakness(longest, COMMON) is None
    assert weakness(longest[:SHORTEST], COMMON) is None
    assert weakness(longest + "x", COMMON)
