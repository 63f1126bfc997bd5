"""A page of rows."""

from __future__ import annotations

from typing import NamedTuple

from shared.http import Raw


class Rows(NamedTuple):
    """A page of rows as JSON."""

    rows: Raw
    total: int | None
    next_cursor: str | None
