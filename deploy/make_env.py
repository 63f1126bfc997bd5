"""Writes what `docker compose up` needs and nobody may guess: `.env` and the broker's users.

What `.env` already says stays as it is; only what is missing is added, however often this runs. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from deploy.broker import EVERYONE, SERVICES, definitions, user_name  # noqa: E402

VHOST = "peerly"
ADMIN_EMAIL = "admin@peerly.internal"
HEADER = (
    "# Secrets of this installation. Whoever reads them owns it: keep it to yourself, and a copy in a safe place.\n"
)
GENERATED = (
    "PEERLY_POSTGRES_PASSWORD",
    *(f"PEERLY_{service.upper()}_DATABASE_PASSWORD" for service in SERVICES),
    *(f"PEERLY_{who.upper()}_BROKER_PASSWORD" for who in EVERYONE),
    "PEERLY_SECRET",
    "PEERLY_ADMIN_PASSWORD",
)


def complete(present: Mapping[str, str]) -> dict[str, str]:
    """The lines that `.env` still needs."""
    wanted = {"PEERLY_ADMIN_EMAIL": ADMIN_EMAIL} | {name: secrets.token_hex(24) for name in GENERATED}
    return {name: value for name, value in wanted.items() if not present.get(name)}


def parse(text: str) -> dict[str, str]:
    """The names and values of an env file, comments and quotes aside."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip().removeprefix("export "): value.strip().strip("'\"") for name, _, value in pairs}


def broker_definitions(values: Mapping[str, str]) -> str:
    """The broker's users; the salts come from the passwords, so that the same secrets give the same file."""
    passwords = {who: values[f"PEERLY_{who.upper()}_BROKER_PASSWORD"] for who in EVERYONE}
    salts = {who: hashlib.sha256(f"{user_name(VHOST, who)} {passwords[who]}".encode()).digest()[:4] for who in EVERYONE}
    return json.dumps(definitions(VHOST, passwords, salts), indent=2) + "\n"


def write(directory: Path) -> list[str]:
    """Brings both files up to date; gives the names that were added to `.env`."""
    file = directory / ".env"
    text = file.read_text() if file.exists() else HEADER
    added = complete(parse(text))
    if text and not text.endswith("\n"):
        text += "\n"
    text += "".join(f"{name}={value}\n" for name, value in added.items())
    _replace(file, text, 0o600)
    _write_definitions(directory / "deploy" / "secrets", broker_definitions(parse(text)))
    return list(added)


def _write_definitions(directory: Path, text: str) -> None:
    """Readable by the broker's account in its container; on this machine the directory keeps others out."""
    directory.mkdir(exist_ok=True, parents=True)
    directory.chmod(0o700)
    file = directory / "definitions.json"
    if not file.exists() or file.read_text() != text:
        file.unlink(missing_ok=True)
        _replace(file, text, 0o644)


def _replace(file: Path, text: str, mode: int) -> None:
    new = file.with_name(f"{file.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as opened:
        os.fchmod(opened.fileno(), mode)
        opened.write(text)
    new.replace(file)


def main() -> int:
    added = write(ROOT)
    print(f"Added to .env: {', '.join(added)}" if added else ".env is complete; nothing was changed.")
    print("Next: docker compose up --build. The first administrator: PEERLY_ADMIN_EMAIL and _PASSWORD in .env.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
