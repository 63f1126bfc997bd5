"""Recognitions as lines of a file."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.recognition.places import Places
from shared.context import Context
from shared.errors import RateLimited

AT_ONCE, OF_ONE_ORGANISATION = 4, 1
COMES_AGAIN_SECONDS = 10
HEADER = (
    "id", "given_at", "given_by", "given_by_name", "given_for", "given_for_name", "core_value_id", "core_value",
    "text", "hi5_count",
)  # fmt: skip
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet computes instead of showing it."""


def _too_many() -> RateLimited:
    return RateLimited(COMES_AGAIN_SECONDS)


@dataclass(frozen=True, slots=True)
class Exports:
    """How many exports one process has under way."""

    places: Places = field(default_factory=lambda: Places(AT_ONCE, OF_ONE_ORGANISATION, _too_many))


@asynccontextmanager
async def exporting(context: Context) -> AsyncIterator[None]:
    context.provide(Exports())
    yield


def csv_lines(documents: Sequence[str], first: bool) -> bytes:
    """Lines of RFC 4180, the first ones after a header."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    if first:
        lines.writerow(HEADER)
    lines.writerows(_cells(orjson.loads(document)) for document in documents)
    return text.getvalue().encode()


def _cells(shown: dict[str, Any]) -> tuple[Any, ...]:
    return (
        shown["id"],
        shown["given_at"],
        shown["given_by"],
        harmless(shown["given_by_user"]["display_name"]),
        shown["given_for"],
        harmless(shown["given_for_user"]["display_name"]),
        shown["core_value"]["id"],
        harmless(shown["core_value"]["text"]),
        harmless(shown["text"]),
        shown["hi5_count"],
    )


def harmless(text: str) -> str:
    """The text with an apostrophe in front where a spreadsheet would compute it."""
    return f"'{text}" if text.startswith(FORMULAS) else text


def json_lines(documents: Sequence[str], first: bool) -> bytes:
    """One JSON document a line; what PostgreSQL writes has no line breaks of its own."""
    return "".join(f"{document}\n" for document in documents).encode()
