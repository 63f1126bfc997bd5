"""Where the processes listen and what they run on."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from gateway.settings import SERVICE_PORTS, Limits

LOCAL_DATABASE = "postgresql://127.0.0.1:5432/peerly"
LOCAL_BROKER = "amqp://127.0.0.1:5672"
PYTHON = (sys.executable, "-m")


class CannotStart(Exception):
    """The system cannot be brought up; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class ProcessSettings:
    """One installation; `database_url` is an administrator's, `environment` is passed on to the services."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8080
    service_ports: Mapping[str, int] = field(default_factory=lambda: MappingProxyType(SERVICE_PORTS))
    database_url: str = LOCAL_DATABASE
    broker_url: str = LOCAL_BROKER
    broker_management_url: str = ""
    vhost: str = "peerly"
    environment: Mapping[str, str] = field(default_factory=dict)
    logs: Path | None = None
    limits: Limits = field(default_factory=Limits)
    ready_seconds: float = 60

    @property
    def url(self) -> str:
        return f"http://{'127.0.0.1' if self.host in ('', '0.0.0.0') else self.host}:{self.port}"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> ProcessSettings:
        data_dir = Path(environment.get("PEERLY_DATA_DIR") or ".data")
        return cls(
            data_dir=data_dir.absolute(),
            host=environment.get("PEERLY_HOST") or "127.0.0.1",
            port=_port(environment.get("PEERLY_PORT") or "8080"),
            database_url=environment.get("DATABASE_URL") or LOCAL_DATABASE,
            broker_url=environment.get("AMQP_URL") or LOCAL_BROKER,
            vhost=environment.get("PEERLY_BROKER_VHOST") or "peerly",
            broker_management_url=environment.get("PEERLY_BROKER_MANAGEMENT_URL", ""),
            environment=environment,
        )


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CannotStart(f"PEERLY_PORT must be a port number, not {text!r}")
    return int(text)
