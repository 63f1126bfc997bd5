"""History logs as tests read them."""

from __future__ import annotations

from typing import Any

from tests.support.api import Reply


def told(reply: Reply) -> list[tuple[int | None, str, dict[str, tuple[Any, Any]]]]:
    """Who did what, the oldest first, with every field's old and new value."""
    return [
        (entry["actor"], entry["action"], {one["field"]: (one["old"], one["new"]) for one in entry["changes"]})
        for entry in reversed(reply.data)
    ]
