"""Where the doctor looks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import asyncpg

from deploy.broker import ADMIN, SERVICES
from services import secrets
from services.connections import Addresses
from services.doctor.bindings import Bindings
from services.processes.broker import url_of
from services.processes.settings import ProcessSettings
from services.processes.system import name_in_broker

Admin: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@dataclass(frozen=True, slots=True)
class Broker:
    """The administrator's address, and each service's where they have users of their own. They hold passwords.

    `bindings` are those that somebody else has listed.
    """

    admin: str
    services: Mapping[str, str]
    bindings: Bindings | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """One installation; `broker` is missing where events travel within the process."""

    folder: Path
    addresses: Addresses
    broker: Broker | None


def has_installation(folder: Path) -> bool:
    """Whether a database is named, or this folder holds one."""
    named = os.environ.get("PEERLY_ADMIN_DATABASE_URL") or os.environ.get("DATABASE_URL")
    return bool(named) or (folder / "postgres" / "cluster").exists()


def find_broker(folder: Path, bindings: Bindings | None = None) -> Broker | None:
    """The one that the environment names, with the users that `make services` has made for this data folder."""
    kept = secrets.load_or_make(folder, ())
    if name_in_broker(ADMIN) in kept:
        settings = ProcessSettings.read(os.environ)
        urls = {who: url_of(settings, who, kept[name_in_broker(who)]) for who in (ADMIN, *SERVICES)}
        return Broker(urls.pop(ADMIN), urls, bindings)
    admin = os.environ.get("PEERLY_ADMIN_AMQP_URL") or os.environ.get("AMQP_URL")
    return Broker(admin, {}, bindings) if admin else None
