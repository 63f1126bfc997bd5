"""What the gateway must be told; everything else is in its configuration files."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

SERVICE_PORTS = {"auth": 8101, "recognition": 8102, "quota": 8103, "moderation": 8104}
SAFE_PATH = re.compile(r"[A-Za-z0-9._/+@=,-]+")
HOST_AND_PORT = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):[0-9]{1,5}")
ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::[0-9]{1,5})?")


class InvalidSetting(ValueError):
    """A setting of the gateway has a value that it cannot use; the message names it."""


@dataclass(frozen=True)
class Limits:
    """Coarse limits: requests a second, how many may come at once above that, open requests of one address.

    `at_once`: requests that one service works on, of everybody.
    """

    rate: int = 200
    burst: int = 400
    address_rate: int = 2000
    address_burst: int = 4000
    sign_in_rate: int = 10
    sign_in_burst: int = 50
    connections: int = 256
    at_once: int = 128


@dataclass(frozen=True)
class GatewaySettings:
    """One gateway; `config` is where its files go, `runtime` where nginx writes while it runs.

    `services` have an address each, or those of several instances with commas.
    """

    listen: str
    services: Mapping[str, str]
    config: Path
    runtime: Path
    documents: Path
    public_url: str = ""
    cors_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    rate_limits: bool = True
    limits: Limits = field(default_factory=Limits)
    access_log: str = "/dev/stdout"
    workers: str = "auto"

    def __post_init__(self) -> None:
        for name, value in {"listen": self.listen, **self.services}.items():
            for address in [value] if name == "listen" else value.split(","):
                _require(HOST_AND_PORT, address, f"The address of {name} must be host:port")
        for path in (self.config, self.runtime, self.documents, Path(self.access_log)):
            _require(SAFE_PATH, str(path), "nginx cannot use a path with this spelling")
        for origin in self.cors_origins:
            if origin != "*":
                _require(ORIGIN, origin, "PEERLY_CORS_ORIGINS takes origins like https://app.example.com")
        for proxy in self.trusted_proxies:
            _require_network(proxy)
        if self.public_url and urlsplit(self.public_url).scheme not in ("http", "https"):
            raise InvalidSetting(f"PEERLY_PUBLIC_URL must begin with http:// or https://, not {self.public_url!r}")

    @property
    def public_scheme(self) -> str:
        return urlsplit(self.public_url).scheme


def from_environment(
    environment: Mapping[str, str], config: Path, runtime: Path, documents: Path, limits: Limits | None = None
) -> GatewaySettings:
    """The settings of a gateway from PEERLY_* variables; raises `InvalidSetting`."""
    host, port = environment.get("PEERLY_HOST") or "127.0.0.1", environment.get("PEERLY_PORT") or "8080"
    return GatewaySettings(
        listen=f"{host}:{port}",
        services={
            name: environment.get(f"PEERLY_{name.upper()}_ADDRESS") or f"127.0.0.1:{port_of_service}"
            for name, port_of_service in SERVICE_PORTS.items()
        },
        config=config,
        runtime=runtime,
        documents=documents,
        public_url=environment.get("PEERLY_PUBLIC_URL", ""),
        cors_origins=_items(environment.get("PEERLY_CORS_ORIGINS", "")),
        trusted_proxies=_items(environment.get("PEERLY_TRUSTED_PROXIES", "")),
        rate_limits=environment.get("PEERLY_RATE_LIMITS") != "off",
        limits=limits or Limits(),
    )


def _items(text: str) -> tuple[str, ...]:
    return tuple(part for part in re.split(r"[\s,]+", text) if part)


def _require(pattern: re.Pattern[str], value: str, complaint: str) -> None:
    if not pattern.fullmatch(value):
        raise InvalidSetting(f"{complaint}, not {value!r}")


def _require_network(text: str) -> None:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise InvalidSetting(f"PEERLY_TRUSTED_PROXIES takes addresses and networks, not {text!r}") from None
