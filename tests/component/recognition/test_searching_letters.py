"""Letters have cases and several ways to be composed; a search finds them all, and marks them as they look."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.component.recognition.world import ANNA, BEN, Api

COMPOSED, APART = "café", "cafe\u0301"


async def found(api: Api, words: str) -> list[tuple[str, str]]:
    listed = await api.get(ANNA, f"/recognitions?filter[text][contains]={quote(words)}")
    searched = await api.get(ANNA, f"/insights/search?q={quote(words)}")
    assert {row["id"] for row in listed.data} == {row["recognition"]["id"] for row in searched.data}
    return sorted((row["recognition"]["text"], row["highlight"]) for row in searched.data)


@pytest.mark.parametrize("words", [COMPOSED, APART, COMPOSED.upper(), APART.upper()])
async def test_tm6_p2_2_both_forms_of_a_letter_find_both(api: Api, words: str) -> None:
    value = await api.new_value()
    for text in (f"A {COMPOSED} for all", f"A {APART} for all", "A cafe for all"):
        await api.given(ANNA, BEN, value, text)
    marked = f"<mark>{COMPOSED}</mark>"
    assert await found(api, words) == [(f"A {APART} for all", marked), (f"A {COMPOSED} for all", marked)]


@pytest.mark.parametrize(
    ("text", "words", "highlight"),
    [
        ("x² Большое СПАСИБО", "x² спасибо", "<mark>x2</mark> Большое <mark>СПАСИБО</mark>"),
        ("Such a \ufb01ne day", "fine", "Such a <mark>fine</mark>"),
        ("Such a fine day", "\ufb01ne", "Such a <mark>fine</mark>"),
        ("Ａ full-width word", "a word", "<mark>A</mark> full-width <mark>word</mark>"),
    ],
)
async def test_tm6_p2_2_letters_of_other_shapes_are_the_same(api: Api, text: str, words: str, highlight: str) -> None:
    await api.given(ANNA, BEN, await api.new_value(), text)
    assert await found(api, words) == [(text, highlight)]
