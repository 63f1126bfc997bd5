"""When two texts are the same. Pure."""

from __future__ import annotations

import unicodedata


def text_key(text: str) -> str:
    """The same for two texts that differ only in case or in how their letters are composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
