"""What is kept of a person, from whichever source it came."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from services.auth.domain.names import fold

LONGEST_NAME, LONGEST_DISPLAY_NAME, LONGEST_URL, LONGEST_DEPARTMENT = 50, 80, 2_000, 100


@dataclass(frozen=True, slots=True)
class Profile:
    """A person's names and picture, and where colleagues find them."""

    first_name: str
    last_name: str
    display_name: str
    profile_image_url: str | None = None
    phone: str | None = None
    department: str | None = None
    listed_in_leaderboards: bool = True

    @property
    def folded(self) -> tuple[str, str, str]:
        """First, last and display name as prefixes are looked for."""
        return fold(self.first_name), fold(self.last_name), fold(self.display_name)


def profile_of_google(email: str, claims: Mapping[str, Any]) -> Profile:
    """The profile of a first sign-in; what Google does not tell is taken from the address."""
    local_part = email.rpartition("@")[0]
    whole = _text(claims.get("name"))
    first_word, _, other_words = whole.partition(" ")
    first = _text(claims.get("given_name")) or first_word or local_part
    last = _text(claims.get("family_name")) or other_words.strip() or first
    return Profile(
        first_name=_cut(first, LONGEST_NAME),
        last_name=_cut(last, LONGEST_NAME),
        display_name=_cut(whole or f"{first} {last}", LONGEST_DISPLAY_NAME),
        profile_image_url=_picture(claims.get("picture")),
    )


def profile_of_names(
    first_name: str,
    last_name: str,
    display_name: str | None = None,
    **optional: Any,
) -> Profile:
    """The profile of somebody who is enrolled by an admin or an import."""
    shown = display_name or _cut(f"{first_name} {last_name}", LONGEST_DISPLAY_NAME)
    return Profile(first_name, last_name, shown, **optional)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(character for character in value if character.isprintable()).strip()


def _cut(text: str, most: int) -> str:
    """Nobody is kept out by a long name at Google: it is cut here, and its owner may change it."""
    return text[:most].strip()


def _picture(value: Any) -> str | None:
    url = _text(value)
    return url if url.startswith("https://") and len(url) <= LONGEST_URL and " " not in url else None
