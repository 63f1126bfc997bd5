"""RabbitMQ's users and permissions as a definitions file: each service may touch its own exchange and queues only."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

SERVICES = ("auth", "recognition", "quota", "moderation")
ADMIN = "admin"
EVERYONE = (ADMIN, *SERVICES)
Salt = bytes


def user_name(vhost: str, who: str) -> str:
    """The broker's name for a service, or for the administrator who declares the topology."""
    return f"{vhost}_{who}"


def definitions(vhost: str, passwords: Mapping[str, str], salts: Mapping[str, Salt]) -> dict[str, Any]:
    """One virtual host with its users; passwords and salts by service, and by `ADMIN`."""
    return {
        "vhosts": [{"name": vhost}],
        "users": [_user(user_name(vhost, who), passwords[who], salts[who]) for who in EVERYONE],
        "permissions": [{"user": user_name(vhost, who), "vhost": vhost, **rights(who)} for who in EVERYONE],
    }


def rights(who: str) -> dict[str, str]:
    """What a service's user may do: write to its own exchanges, read its own queues, declare nothing."""
    if who == ADMIN:
        return {"configure": ".*", "write": ".*", "read": ".*"}
    return {
        "configure": "^$",
        "write": rf"^(peerly\.{who}|dead\.{who})$",
        "read": rf"^({who}\.(events|urgent)|dead\.{who})$",
    }


def _user(name: str, password: str, salt: Salt) -> dict[str, Any]:
    return {
        "name": name,
        "password_hash": password_hash(password, salt),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": [],
    }


def password_hash(password: str, salt: Salt) -> str:
    """RabbitMQ's form: base64 of a salt of four bytes and the SHA-256 of salt and password."""
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
