"""E-mail addresses, domains, and how names are compared."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import idna

LONGEST_EMAIL = 254
LAST_CHARACTER = "\U0010ffff"
_LOCAL_PART = re.compile(r"[^\s@\"(),:;<>\[\]\\\x00-\x1f\x7f]{1,64}")


class NotADomain(ValueError):
    """No DNS name with at least two labels, such as example.com."""


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain as DNS spells it, by which it is compared, and as people do."""

    key: str
    spelling: str


def fold(text: str) -> str:
    """The form in which names are compared: without case and compatibility forms."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def prefix_range(prefix: str) -> tuple[str, str]:
    """From where up to where, in byte order, folded text starts with this."""
    folded = fold(prefix)
    return folded, folded + LAST_CHARACTER


@lru_cache(maxsize=1024)
def domain_of(text: str) -> Domain:
    """A domain in its one form. Raises `NotADomain`.

    Letters that merely look like or decompose to ASCII ones are never taken for them: a Cyrillic а stays Cyrillic, and
    a Kelvin sign or full-width letter is refused.
    """
    try:
        labels = [_label(label) for label in text.split(".")]
        key = ".".join(labels)
        if len(labels) < 2 or len(key) > 253 or labels[-1].isdecimal():
            raise NotADomain(text)
        return Domain(key, idna.decode(key))
    except (idna.IDNAError, UnicodeError) as error:
        raise NotADomain(text) from error


def _label(label: str) -> str:
    if any(not character.isascii() and unicodedata.normalize("NFKC", character) != character for character in label):
        raise NotADomain(label)
    lower = label.lower()
    if lower.isascii() and not lower.startswith("xn--"):
        if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", lower):
            raise NotADomain(label)
        return lower
    return idna.encode(unicodedata.normalize("NFC", lower)).decode("ascii")


def domain_of_email(email: str) -> Domain:
    """The domain of an e-mail address with exactly one at sign. Raises `NotADomain`."""
    local_part, at, domain = email.rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local_part) or len(email) > LONGEST_EMAIL:
        raise NotADomain(email)
    return domain_of(domain)


def fold_email(email: str) -> str:
    """The form in which addresses are compared: however case and domain are written, one mailbox is one person."""
    try:
        return f"{fold(email.rpartition('@')[0])}@{domain_of_email(email).key}"
    except NotADomain:
        return fold(email)


def is_email(text: str) -> bool:
    """Whether this can be somebody's e-mail address."""
    try:
        domain_of_email(text)
    except NotADomain:
        return False
    return True
