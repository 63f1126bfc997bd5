"""Named places where the fault tests kill the process; inert unless PEERLY_FAILPOINTS names them."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Mapping


def parse(text: str) -> dict[str, float]:
    """Probabilities by name from `relay.after_publish:0.05,inbox.handle.recognition/7:1`."""
    pairs = (part.partition(":") for part in text.split(",") if part.strip())
    return {name.strip(): float(chance or 1) for name, _, chance in pairs}


_CHANCES: Mapping[str, float] = parse(os.environ.get("PEERLY_FAILPOINTS", ""))


def failpoint(name: str, of: str = "") -> None:
    """Kills this process as `kill -9` would, with the probability that the environment gives `name` or `name.of`."""
    if _CHANCES and random.random() < _CHANCES.get(f"{name}.{of}" if of else name, 0.0):  # noqa: S311
        os.kill(os.getpid(), signal.SIGKILL)
