"""What is read out of Google's answers, whatever they hold."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.auth.domain.google import identity_of
from services.auth.domain.profiles import profile_of_google
from shared.errors import InvalidToken

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TOKEN: dict[str, Any] = {
    "aud": "ours",
    "azp": "ours",
    "sub": "1",
    "exp": 1_800_000_000,
    "email": "a@b.test",
    "email_verified": True,
}
PERSON: dict[str, Any] = {"sub": "1", "email": "a@b.test", "email_verified": "true", "name": "A B"}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.sampled_from(sorted(TOKEN)), ANYTHING),
    st.dictionaries(st.sampled_from(sorted(PERSON)), ANYTHING),
)
def test_any_answer_is_an_identity_or_a_refusal(token: dict[str, Any], person: dict[str, Any]) -> None:
    try:
        found = identity_of(TOKEN | token, PERSON | person, "ours", NOW)
    except InvalidToken:
        return
    assert (TOKEN | token)["aud"] == "ours"
    assert found.domain
    assert found.subject == (PERSON | person)["sub"]


@given(st.dictionaries(st.sampled_from(["name", "given_name", "family_name", "picture"]), ANYTHING))
def test_any_claims_make_a_profile_that_fits(claims: dict[str, Any]) -> None:
    profile = profile_of_google("somebody@b.test", claims)
    assert 1 <= len(profile.first_name) <= 50
    assert 1 <= len(profile.last_name) <= 50
    assert 1 <= len(profile.display_name) <= 80
    assert "\0" not in f"{profile}"
    assert profile.profile_image_url is None or profile.profile_image_url.startswith("https://")


def test_an_expiry_may_be_missing_since_google_answers_for_live_tokens_only() -> None:
    token = {name: value for name, value in TOKEN.items() if name != "exp"}
    assert identity_of(token, PERSON, "ours", NOW).email == "a@b.test"
