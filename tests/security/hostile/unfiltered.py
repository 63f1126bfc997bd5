"""Runs Peerly with its own conditions on tenants taken out of every statement on its way to the database.

What still holds then is row-level security alone. It takes the words of `python -m services`; the file that
PEERLY_TEST_REWRITTEN names gets one line for each kind of statement that was changed.
"""

from __future__ import annotations

import os
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg

_CONDITION = re.compile(
    r"\b(?:\w+\.)?org_id = (?:"
    r"(?:\w+\.)?tenant\(\)|\$(?P<number>\d+)|of_organisation\b|organisation\b(?!\.)|\w+\.org_id\b)"
)
_METHODS = ("execute", "executemany", "fetch", "fetchrow", "fetchval", "prepare", "cursor")
_told: set[str] = set()


def without_conditions(statement: str) -> str:
    """The statement for every tenant at once; a parameter stays used, so that its type is known."""
    if "POLICY" in statement:
        return statement
    return _CONDITION.sub(_always, statement)


def _always(found: re.Match[str]) -> str:
    return f"${found['number']}::bigint IS NOT NULL" if found["number"] else "true"


def _rewriting(method: Callable[..., Any]) -> Callable[..., Any]:
    def rewritten(self: Any, statement: str, *arguments: Any, **options: Any) -> Any:
        changed = without_conditions(statement)
        if changed != statement and statement not in _told:
            _told.add(statement)
            with Path(os.environ["PEERLY_TEST_REWRITTEN"]).open("a") as file:
                file.write(" ".join(statement.split()) + "\n")
        return method(self, changed, *arguments, **options)

    return rewritten


def main() -> None:
    for name in _METHODS:
        setattr(asyncpg.Connection, name, _rewriting(getattr(asyncpg.Connection, name)))
    sys.argv[0] = "services"
    runpy.run_module("services", run_name="__main__", alter_sys=False)


if __name__ == "__main__":
    main()
