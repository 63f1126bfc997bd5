"""How far it is: a bar for a person at a terminal, a line every few seconds for a log."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any, TextIO

from tqdm import tqdm

EVERY_SECONDS = 5.0


class Tables:
    """Counts tables by what PostgreSQL's programs say of them with --verbose."""

    def __init__(self, out: TextIO, name: str, total: int, words: str, clock: Callable[[], float] = monotonic) -> None:
        self._out, self._name, self._total, self._words, self._clock = out, name, total, words, clock
        self._done, self._said_at = 0, clock()
        self._bar: Any = tqdm(total=total, desc=name, unit=" tables", file=out) if out.isatty() else None

    def heard(self, line: str) -> None:
        """One line of the program's."""
        if self._words not in line:
            return
        self._done += 1
        if self._bar is not None:
            self._bar.update()
        elif self._clock() - self._said_at >= EVERY_SECONDS:
            self._said_at = self._clock()
            self._out.write(f"{self._name}: table {self._done} of {self._total}\n")
            self._out.flush()

    def close(self) -> None:
        """Ends the bar."""
        if self._bar is not None:
            self._bar.close()
