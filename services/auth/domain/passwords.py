"""Which passwords are taken: long enough, and not what everybody tries first."""

from __future__ import annotations

import unicodedata
from collections.abc import Set as AbstractSet
from itertools import pairwise

SHORTEST, LONGEST = 15, 256
SHORTEST_UNIT = 6


def canonical(password: str) -> str:
    """The form that is hashed: the same characters, however the keyboard composed them (NFC)."""
    return unicodedata.normalize("NFC", password)


def weakness(password: str, common: AbstractSet[str]) -> str | None:
    """What is wrong with a new password, said to the person who chose it; `common` is in lower case."""
    if not SHORTEST <= len(canonical(password)) <= LONGEST:
        return f"Must have {SHORTEST} to {LONGEST} characters."
    plain = "".join(password.casefold().split())
    unit = _unit(plain)
    if len(unit) < SHORTEST_UNIT or _is_sequence(plain) or _is_common(plain, common) or _is_common(unit, common):
        return "Is one of the passwords that are guessed first; choose another, a few unrelated words for example."
    return None


def _unit(text: str) -> str:
    """The shortest part of which the text is a repetition."""
    return text[: (text + text).find(text, 1)]


def _is_sequence(text: str) -> bool:
    steps = {ord(after) - ord(before) for before, after in pairwise(text)}
    return steps in ({1}, {-1})


def _is_common(text: str, common: AbstractSet[str]) -> bool:
    """A common password, or two of them written together."""
    return text in common or any(text[:cut] in common and text[cut:] in common for cut in range(4, len(text) - 3))
