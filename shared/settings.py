"""What every service reads from its environment, once, at start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Self
from urllib.parse import urlsplit

from environs import Env, EnvError, validate

A_PORT = validate.Range(1, 65_535)
_ORIGIN = re.compile(r"https?://[a-z0-9.\[\]:-]+", re.IGNORECASE)
PORTS = {"auth": 8101, "recognition": 8102, "quota": 8103, "moderation": 8104}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one service; services extend it. Addresses hold passwords: never log them."""

    database_url: str
    amqp_url: str | None
    host: str
    port: int
    issuer: str
    audience: str
    public_url: str
    rate_limits: bool
    trusted_proxies: tuple[str, ...]
    cors_origins: tuple[str, ...]
    pool_size: int

    @classmethod
    def read(cls, service: str, env: Env) -> Self:
        """Reads the environment. Raises `environs.EnvError` naming the variable that is missing or wrong."""
        return cls(**cls.values(service, env))

    @classmethod
    def values(cls, service: str, env: Env) -> dict[str, Any]:
        """The shared settings by name; a service's own class adds to them."""
        port = env.int("PEERLY_PORT", 8080, validate=A_PORT)
        return {
            "database_url": env.str("DATABASE_URL"),
            "amqp_url": env.str("AMQP_URL", "") or None,
            "host": env.str("PEERLY_HOST", "127.0.0.1"),
            "port": env.int("PEERLY_SERVICE_PORT", PORTS[service], validate=A_PORT),
            "issuer": env.str("PEERLY_ISSUER", "node.peerly.com"),
            "audience": env.str("PEERLY_AUDIENCE", "peerly.com"),
            "public_url": _public_url(env.str("PEERLY_PUBLIC_URL", "") or f"http://localhost:{port}"),
            "rate_limits": _switch(env, "PEERLY_RATE_LIMITS"),
            "trusted_proxies": _networks(env, "PEERLY_TRUSTED_PROXIES"),
            "cors_origins": _origins(env, "PEERLY_CORS_ORIGINS"),
            "pool_size": env.int("PEERLY_POOL_SIZE", 8, validate=validate.Range(1, 1_000)),
        }


def _switch(env: Env, name: str) -> bool:
    value = env.str(name, "on").lower()
    if value not in {"on", "off"}:
        raise EnvError(f"{name} is {value!r}; it must be on or off")
    return value == "on"


def _networks(env: Env, name: str) -> tuple[str, ...]:
    texts = _list(env.str(name, ""))
    for text in texts:
        try:
            ip_network(text, strict=False)
        except ValueError:
            raise EnvError(f"{name} has {text!r}, which is no address and no network") from None
    return texts


def _public_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise EnvError(f"PEERLY_PUBLIC_URL is {text!r}; it must be an address such as https://peerly.example.com")
    return text.rstrip("/")


def _origins(env: Env, name: str) -> tuple[str, ...]:
    texts = _list(env.str(name, ""))
    for text in texts:
        if not _ORIGIN.fullmatch(text):
            raise EnvError(f"{name} has {text!r}; name each origin as browsers do: https://app.example.com")
    return texts


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
