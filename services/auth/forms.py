"""Proves that a form was sent by the page that this browser was shown: a keyed hash of its cookie and the request."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping
from urllib.parse import urlencode

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Forms:
    """Makes and checks the tokens in forms, under a key derived from the installation's secret."""

    def __init__(self, secret: str) -> None:
        self._key = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"peerly forms 1").derive(secret.encode())

    def token(self, cookie: str, request: Mapping[str, str]) -> str:
        """What the forms for this cookie and this request hold."""
        bound = urlencode([("cookie", cookie), *sorted(request.items())])
        return base64.urlsafe_b64encode(hmac.digest(self._key, bound.encode(), "sha256")).decode().rstrip("=")

    def fits(self, cookie: str | None, request: Mapping[str, str], token: str | None) -> bool:
        """Whether a form with this token was made for this cookie and this request."""
        if cookie is None or token is None:
            return False
        return hmac.compare_digest(self.token(cookie, request).encode(), token.encode())
