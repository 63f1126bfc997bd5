"""A CSV file, row by row in constant memory: what cannot be read is a row with a problem, not the end."""

from __future__ import annotations

import csv
import os
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType
from typing import Self

LONGEST_LINE = 1_048_576
DELIMITERS = (",", ";", "\t")
ALIASES = {"role": "role_id"}
OF_REJECTS = ("line", "reason")
"""The columns that a file of rejected rows has before the others, so that it can be imported once it is mended."""


class Unusable(Exception):
    """The file as a whole cannot be imported; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cells as they were; `line` is where the row begins, `problem` what keeps it from being looked at."""

    line: int
    cells: tuple[str, ...]
    problem: str | None = None


class _Lines:
    """The file's lines; those of a row that proved to be none can be read again."""

    def __init__(self, path: Path) -> None:
        self._bytes = path.open("rb")
        self._file = TextIOWrapper(self._bytes, encoding="utf-8-sig", errors="surrogateescape", newline="")
        self._again: deque[str] = deque()
        self._taken: list[str] = []
        self._number = 0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._file.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        if len(line) >= LONGEST_LINE:
            raise Unusable(f"Line {self._number + 1} is longer than {LONGEST_LINE:,} characters: is this a CSV file?")
        self._number += 1
        self._taken.append(line)
        return line

    def begin_row(self) -> int:
        """The number of the line that comes next."""
        self._taken.clear()
        return self._number + 1

    def keep_first(self) -> str:
        """The row's first line; the others are handed out again."""
        first, *others = self._taken
        self._again.extendleft(reversed(others))
        self._number -= len(others)
        return first.rstrip("\r\n")

    @property
    def bytes_read(self) -> int:
        return self._bytes.tell()

    @property
    def size(self) -> int:
        return os.fstat(self._bytes.fileno()).st_size

    def close(self) -> None:
        self._file.close()


class Table:
    """An open CSV file with a header: UTF-8 with or without a mark, cells with line breaks, comma, semicolon or tab."""

    def __init__(self, path: Path, known_columns: Collection[str]) -> None:
        """Raises `Unusable` for a file without a usable header, `OSError` for one that cannot be read."""
        self.path = path
        self._lines = _Lines(path)
        try:
            self.size = self._lines.size
            self.header, delimiter = self._read_header(frozenset(known_columns))
        except BaseException:
            self._lines.close()
            raise
        self.columns = tuple(_column(cell) for cell in self.header)
        self._reader = csv.reader(self._lines, delimiter=delimiter, strict=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    @property
    def bytes_read(self) -> int:
        """How much of the file has been read, a buffer ahead of the rows."""
        return self._lines.bytes_read

    def rows(self) -> Iterator[Row]:
        """Every row that is not blank. Raises `Unusable`."""
        while True:
            line = self._lines.begin_row()
            try:
                cells = tuple(next(self._reader))
            except StopIteration:
                return
            except csv.Error as error:
                yield Row(line, (self._lines.keep_first(),), f"cannot be read as CSV: {error}")
                continue
            if any(cell and not cell.isspace() for cell in cells):
                yield Row(line, cells, self._problem(cells))

    def values(self, row: Row) -> dict[str, str]:
        """The row's cells by column, empty ones left out."""
        return {
            column: cell for column, cell in zip(self.columns, row.cells, strict=True) if cell and not cell.isspace()
        }

    def _problem(self, cells: tuple[str, ...]) -> str | None:
        if len(cells) != len(self.header):
            return f"has {len(cells)} cells where the header has {len(self.header)}"
        return None if _is_text("".join(cells)) else "is not UTF-8 text; save the file as CSV UTF-8"

    def _read_header(self, known: frozenset[str]) -> tuple[tuple[str, ...], str]:
        line = next((line for line in self._lines if line.strip()), None)
        if line is None:
            raise Unusable(f"{self.path} is empty; its first line must name the columns")
        if not _is_text(line) or "\0" in line:
            raise Unusable(f"{self.path} is not UTF-8 text; save it as CSV UTF-8")
        found = max(
            ((_cells(line, delimiter), delimiter) for delimiter in DELIMITERS),
            key=lambda choice: sum(_column(cell) in known for cell in choice[0]),
        )
        self._check_header(found[0])
        return found

    def _check_header(self, header: tuple[str, ...]) -> None:
        columns = [_column(cell) for cell in header]
        twice = sorted({column for column in columns if columns.count(column) > 1})
        if twice:
            raise Unusable(f"{self.path} has the column {', '.join(twice)} twice; remove or rename one")


def _cells(line: str, delimiter: str) -> tuple[str, ...]:
    return tuple(next(csv.reader([line], delimiter=delimiter), ()))


def _column(cell: str) -> str:
    name = cell.strip().casefold()
    return ALIASES.get(name, name)


def _is_text(text: str) -> bool:
    """False where a byte that is no UTF-8 was kept as half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
