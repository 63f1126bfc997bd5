"""Passwords and keys that this installation made for itself: a file that only its owner reads."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

FILE = "secrets.json"


def load_or_make(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The secrets of these names, made at the first call and the same ever after. Raises `OSError`."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / FILE
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    missing = {name: secrets.token_urlsafe(32) for name in names if name not in kept}
    if missing:
        kept |= missing
        _write(path, kept)
    return kept


def _write(path: Path, kept: dict[str, str]) -> None:
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(kept, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
