"""The pairs of keys that sign tokens: made here, the private halves sealed before they reach the database."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

NONCE_BYTES = 12


class CannotOpen(Exception):
    """A private key was sealed with another secret."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An Ed25519 key; `kid` is its RFC 7638 thumbprint, `public_key` the `x` of its JWK."""

    kid: str
    private_key: Ed25519PrivateKey
    public_key: str


def make_key_pair() -> KeyPair:
    """A fresh pair; its `kid` (RFC 7638) does not begin like an option, since operators write it in commands."""
    pair = _any_key_pair()
    while pair.kid.startswith("-"):
        pair = _any_key_pair()
    return pair


def _any_key_pair() -> KeyPair:
    private_key = Ed25519PrivateKey.generate()
    public_key = _base64url(private_key.public_key().public_bytes_raw())
    thumbprint = hashlib.sha256(orjson.dumps({"crv": "Ed25519", "kty": "OKP", "x": public_key})).digest()
    return KeyPair(_base64url(thumbprint), private_key, public_key)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Vault:
    """Seals private keys with AES-256-GCM under a key derived from the installation's secret."""

    def __init__(self, secret: str) -> None:
        derive = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"peerly signing keys 1")
        self._cipher = AESGCM(derive.derive(secret.encode()))

    def seal(self, pair: KeyPair) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, pair.private_key.private_bytes_raw(), pair.kid.encode())

    def open(self, kid: str, sealed: bytes) -> Ed25519PrivateKey:
        """Raises `CannotOpen`."""
        try:
            raw = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], kid.encode())
        except InvalidTag:
            raise CannotOpen(kid) from None
        return Ed25519PrivateKey.from_private_bytes(raw)
