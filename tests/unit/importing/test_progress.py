"""A bar for a terminal, lines for a log."""

from __future__ import annotations

from io import StringIO

from services.importing.progress import EVERY_SECONDS, Progress


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_a_line_every_few_seconds() -> None:
    moments = iter([0.0, 1.0, EVERY_SECONDS, EVERY_SECONDS, EVERY_SECONDS + 1])
    out = StringIO()
    with Progress(out, "people.csv", 200, clock=lambda: next(moments)) as progress:
        progress.reached(50, 1_000)
        progress.reached(100, 2_000)
        progress.reached(150, 3_000)
    assert out.getvalue() == "people.csv: 2,000 rows, 50 %\n"


def test_a_terminal_gets_a_bar() -> None:
    out = Terminal()
    with Progress(out, "people.csv", 200) as progress:
        progress.reached(200, 4_000)
    assert "people.csv: 100%" in out.getvalue()
    assert "4,000 rows" in out.getvalue()
