"""The table as it is printed: Markdown, one line a row, what failed below it."""

from __future__ import annotations

from tests.faults.row import Result

COLUMNS = (
    "row", "fault", "repeats", "writes answered", "reads answered", "back", "caught up", "slowest", "attempted",
    "acknowledged", "lost", "unexpected", "duplicated", "recovered", "overspent", "I1-I10", "besides",
)  # fmt: skip


def heading() -> str:
    return f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}\n"


def line(result: Result) -> str:
    row, counts = result.row, result.counts
    cells = (
        row.id,
        row.what,
        result.repeats,
        f"{result.available:.1f} %" if row.loaded else "-",
        f"{result.reads:.1f} %" if row.loaded else "-",
        f"{result.back:.1f} s" if row.loaded else "-",
        f"{result.caught_up:.1f} s",
        f"{result.slowest:.1f} s" if row.loaded else "-",
        counts.attempted,
        counts.acknowledged,
        counts.lost,
        counts.unexpected,
        counts.duplicated,
        counts.recovered,
        counts.overspent,
        "hold" if not result.broken else "BROKEN",
        "; ".join(dict.fromkeys(result.notes)),
    )
    return f"| {' | '.join(map(str, cells))} |\n"


def words(result: Result) -> str:
    """What is not as the row expects."""
    return "".join(f"  FAILED {result.row.id}: {failure}\n" for failure in [*result.failures, *result.broken])
