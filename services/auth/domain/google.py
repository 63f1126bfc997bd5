"""What Google says of an access token, and whether that is enough to let its bearer in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.auth.domain.names import NotADomain, domain_of_email, fold_email
from services.auth.domain.profiles import Profile, profile_of_google
from shared.errors import InvalidToken

ISSUERS = {"https://accounts.google.com", "accounts.google.com"}


@dataclass(frozen=True, slots=True)
class Identity:
    """A person as Google vouches for; `subject` never changes, `domain` is the e-mail's."""

    subject: str
    email: str
    domain: str
    profile: Profile

    @property
    def folded_email(self) -> str:
        return fold_email(self.email)


def identity_of(token: Mapping[str, Any], person: Mapping[str, Any], client_id: str, now: datetime) -> Identity:
    """Reads the answers about a token and about its owner. Raises `InvalidToken` for whatever is not exactly right."""
    _check_token(token, client_id, now)
    subject = person.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= 255 or token.get("sub", subject) != subject:
        raise InvalidToken
    email = _email(token, person)
    try:
        domain = domain_of_email(email).key
    except NotADomain:
        raise InvalidToken from None
    return Identity(subject, email, domain, profile_of_google(email, person))


def _check_token(token: Mapping[str, Any], client_id: str, now: datetime) -> None:
    """A token made for another application proves nothing here, whoever its owner is."""
    if token.get("aud") != client_id or token.get("azp", client_id) != client_id:
        raise InvalidToken
    if token.get("iss", "accounts.google.com") not in ISSUERS:
        raise InvalidToken
    if _seconds(token.get("exp", 2**53)) <= now.timestamp() or _seconds(token.get("expires_in", 1)) <= 0:
        raise InvalidToken


def _seconds(value: Any) -> int:
    """Google writes numbers as texts."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 20:
        return int(value)
    raise InvalidToken


def _email(token: Mapping[str, Any], person: Mapping[str, Any]) -> str:
    """The one verified address of which both answers speak, as far as they do."""
    told = [answer for answer in (token, person) if "email" in answer]
    addresses = [answer["email"] for answer in told if isinstance(answer["email"], str)]
    if not told or len(addresses) < len(told) or len({fold_email(address) for address in addresses}) != 1:
        raise InvalidToken
    words = [answer["email_verified"] for answer in (token, person) if "email_verified" in answer]
    if not words or any(word is not True and word != "true" for word in words):
        raise InvalidToken
    return addresses[0]
