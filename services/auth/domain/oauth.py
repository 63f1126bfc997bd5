"""What OAuth 2.0 leaves to us to decide: addresses to come back to, proofs of possession, scopes, lives."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

from shared.errors import Refusal
from shared.identity.roles import PERMISSIONS, SCOPES, Role

CODE_LASTS = timedelta(seconds=60)
ACCESS_LASTS = timedelta(minutes=15)
REFRESH_LASTS = timedelta(days=30)
FAMILY_LASTS = timedelta(days=365)
SIGN_IN_LASTS = timedelta(minutes=15)
MAKES_CREDENTIALS = frozenset({"manage:api", "manage:token"})
"""Not for applications: what they make could outlive what they were allowed."""
GRANTABLE = SCOPES - MAKES_CREDENTIALS
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
LONGEST_URI = 2_000
LONGEST_STATE = 1_000
OURS = frozenset({"code", "state", "iss", "error", "error_description"})
"""Parameters that an answer adds to a redirect address."""
_URI = re.compile(r"[!-~]+")
_PLACE = re.compile(r"(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]*)?", re.IGNORECASE)
"""Host and port; they stand in a content security policy as they are."""
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_STATE = re.compile(rf"[ -~]{{1,{LONGEST_STATE}}}")
_SCOPE = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")


class OAuthError(Refusal):
    """What RFC 6749 answers at the token endpoint and its neighbours."""

    status, message = 400, "The request cannot be answered"

    def __init__(self, code: str, description: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(description, headers=headers)
        self.code = code


class InvalidClient(OAuthError):
    """No such application, or it did not prove to be the one."""

    status, message = 401, "The application is not known by this id and secret"

    def __init__(self) -> None:
        challenge = {"WWW-Authenticate": 'Basic realm="Peerly OAuth", charset="UTF-8"'}
        super().__init__("invalid_client", self.message, headers=challenge)


class InvalidGrant(OAuthError):
    """A code or refresh token that was never given, is used up, over, ended, or somebody else's."""

    def __init__(self, description: str = "This grant is not valid, has expired, was used or was ended") -> None:
        super().__init__("invalid_grant", description)


class InvalidScope(OAuthError):
    """Scopes beyond what the application or the grant has."""

    def __init__(self, description: str = "The application may not have these scopes") -> None:
        super().__init__("invalid_scope", description)


def flaw_of_redirect_uri(uri: str) -> str | None:
    """What is wrong with an address to register; nothing when people can safely be sent there."""
    try:
        parts = urlsplit(uri)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "Is not a valid address."
    flaws = {
        "Has spaces or characters beyond ASCII.": not _URI.fullmatch(uri),
        "Must be https, or http on this machine (127.0.0.1, [::1], localhost).": not _is_safe(parts.scheme, host),
        "Must not have a fragment.": "#" in uri,
        "Must not have a user or password.": "@" in parts.netloc,
        "Must not have a wildcard or a backslash.": "*" in uri or "\\" in uri,
        "Must have a host of letters, digits, points and hyphens.": not _PLACE.fullmatch(parts.netloc),
        "Must not have the segments . or .. in its path.": bool(_DOTS.search(parts.path)),
        "Must not have parameters that an answer adds.": bool(OURS & {name for name, _ in parse_qsl(parts.query)}),
    }
    return next((flaw for flaw, is_so in flaws.items() if is_so), None)


def _is_safe(scheme: str, host: str | None) -> bool:
    return bool(host) and (scheme == "https" or (scheme == "http" and host in LOOPBACK))


def with_parameters(uri: str, parameters: Mapping[str, str]) -> str:
    """The address with more parameters in its query, those it had as they were."""
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(parameters)}"


def origin_of(uri: str) -> str:
    """The source by which a content security policy names an address; policies know no IPv6."""
    parts = urlsplit(uri)
    return f"{parts.scheme}:" if ":" in (parts.hostname or "") else f"{parts.scheme}://{parts.netloc}"


def is_challenge(text: str) -> bool:
    """Whether it can be the S256 of a verifier (RFC 7636)."""
    return bool(_CHALLENGE.fullmatch(text))


def proves(verifier: str, challenge: str) -> bool:
    """Whether this is the verifier that was announced."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=") == challenge


def is_state(text: str) -> bool:
    return bool(_STATE.fullmatch(text))


def scopes_of(text: str) -> frozenset[str] | None:
    """The scopes of a parameter; None when it has not the form of one."""
    return frozenset(text.split(" ")) if _SCOPE.fullmatch(text) else None


def held_by(role: Role, scopes: Iterable[str]) -> frozenset[str]:
    """Those of the scopes that somebody in this role has to give."""
    return PERMISSIONS[role] & frozenset(scopes)


def narrowed(asked: str | None, held: AbstractSet[str]) -> frozenset[str]:
    """The scopes asked for, all that are held when none is named. Raises `InvalidScope` for one more."""
    scopes = frozenset(held) if asked is None else scopes_of(asked)
    if scopes is None or not scopes <= held:
        raise InvalidScope
    return scopes
