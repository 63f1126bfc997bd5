"""The file of the rows that were not taken, each with its line, the reason, and its cells as they were."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from services.importing.outcome import Rejection
from services.importing.table import OF_REJECTS, Unusable


class Rejects:
    """Written as it comes; the file is made when the first row is rejected."""

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self.path = path
        self._header = [cell for cell in header if cell.strip().casefold() not in OF_REJECTS]
        self._kept = [place for place, cell in enumerate(header) if cell.strip().casefold() not in OF_REJECTS]
        self._width = len(header)
        self._file: TextIO | None = None
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, rejections: Sequence[Rejection]) -> None:
        """Raises `Unusable` when the file cannot be written."""
        try:
            if rejections and self._file is None:
                self._open()
            for rejection in rejections:
                self._writer.writerow([rejection.row.line, rejection.reason, *self._cells(rejection.row.cells)])
        except OSError as error:
            raise Unusable(
                f"{self.path} cannot be written: {error.strerror}; name another file with --rejects"
            ) from None

    def _open(self) -> None:
        self._file = self.path.open("w", encoding="utf-8", errors="surrogateescape", newline="")
        self._writer = csv.writer(self._file)
        self._writer.writerow([*OF_REJECTS, *self._header])

    def _cells(self, cells: tuple[str, ...]) -> Sequence[str]:
        """Of a file of rejected rows, without the old line and reason; a row of another width stays whole."""
        return [cells[place] for place in self._kept] if len(cells) == self._width else cells
