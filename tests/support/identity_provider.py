"""A small identity provider: signs what it is told with keys that come and go, and can misbehave."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

AUDIENCE = "peerly-tests"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAKE: Mapping[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "PS256": lambda: rsa.generate_private_key(65537, 2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": Ed25519PrivateKey.generate,
}


def jwk_of(private: Any, kid: str | None, algorithm: str | None, **more: Any) -> dict[str, Any]:
    """The public half as a key set has it."""
    told = {**_numbers(private), "kid": kid, "alg": algorithm, "use": "sig", **more}
    return {name: value for name, value in told.items() if value is not None and name != "key_ops"}


def _numbers(private: Any) -> dict[str, Any]:
    if isinstance(private, rsa.RSAPrivateKey):
        return RSAAlgorithm.to_jwk(private.public_key(), as_dict=True)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    return OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)


@dataclass(slots=True)
class IdentityProvider:
    """Its address, which is its issuer, its private keys by their kid, and what it does instead of answering."""

    address: str = ""
    keys: dict[str, tuple[str, Any]] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    instead: Answer | None = None

    def rotate(self, kid: str, algorithm: str = "ES256") -> None:
        """Signs with a new key from now on, and tells of no other."""
        self.keys = {kid: (algorithm, MAKE[algorithm]())}

    def claims(self, email: str, /, **changes: Any) -> dict[str, Any]:
        """An ID token's claims; a None leaves one out."""
        now = int(time.time())
        known = {
            "iss": self.address,
            "aud": AUDIENCE,
            "sub": f"sub-{email.lower()}",
            "iat": now,
            "exp": now + 600,
            "email": email,
            "email_verified": True,
            "given_name": "Grace",
            "family_name": "Hopper",
        }
        return {name: value for name, value in {**known, **changes}.items() if value is not None}

    def token(
        self, email: str, /, *, kid: str | None = None, header: Mapping[str, Any] | None = None, **changes: Any
    ) -> str:
        """A token of somebody, signed with the newest key or a named one."""
        kid = kid or list(self.keys)[-1]
        algorithm, private = self.keys[kid]
        named = {name: value for name, value in {"kid": kid, **(header or {})}.items() if value is not None}
        return jwt.encode(self.claims(email, **changes), private, algorithm=algorithm, headers=named)

    async def discovery(self, request: web.Request) -> web.StreamResponse:
        told = {"issuer": self.address, "jwks_uri": f"{self.address}/keys"}
        return await self._answer(request, self.documents.get("discovery", told))

    async def key_set(self, request: web.Request) -> web.StreamResponse:
        told = [jwk_of(private, kid, algorithm) for kid, (algorithm, private) in self.keys.items()]
        return await self._answer(request, self.documents.get("keys", {"keys": told}))

    async def _answer(self, request: web.Request, document: Any) -> web.StreamResponse:
        self.asked.append(request.path)
        return web.json_response(document) if self.instead is None else await self.instead(request)

    async def hangs(self, _: web.Request) -> web.StreamResponse:
        """Never answers."""
        await asyncio.Event().wait()
        raise AssertionError

    async def fails(self, _: web.Request) -> web.StreamResponse:
        """Is ill."""
        return web.json_response({"error": "server_error"}, status=500)


@asynccontextmanager
async def serving(host: str = "127.0.0.1") -> AsyncIterator[IdentityProvider]:
    """A provider on a free port of this machine, with one key."""
    provider = IdentityProvider()
    provider.rotate("first")
    app = web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.discovery)
    app.router.add_get("/keys", provider.key_set)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, 0).start()
        provider.address = f"http://{host}:{runner.addresses[0][1]}"
        yield provider
    finally:
        await runner.cleanup()
