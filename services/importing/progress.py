"""How far an import is: a bar for a person at a terminal, a line every few seconds for a log."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import Any, Self, TextIO

from tqdm import tqdm

EVERY_SECONDS = 5.0


class Progress:
    """Counts in bytes of the file, since nobody knows how many rows it has."""

    def __init__(self, out: TextIO, name: str, size: int, clock: Callable[[], float] = monotonic) -> None:
        self._out, self._name, self._size, self._clock = out, name, size, clock
        self._said_at = clock()
        self._bar: Any = None
        if out.isatty():
            self._bar = tqdm(total=size, desc=name, unit="B", unit_scale=True, file=out)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def reached(self, position: int, rows: int) -> None:
        """So many bytes and rows are done."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"{rows:,} rows", refresh=False)
            self._bar.update(position - self._bar.n)
        elif self._clock() - self._said_at >= EVERY_SECONDS:
            self._said_at = self._clock()
            percent = 100 * position // max(self._size, 1)
            self._out.write(f"{self._name}: {rows:,} rows, {percent} %\n")
            self._out.flush()
