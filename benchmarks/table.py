"""The lines of the result, and how they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.comparing import Figures

HEADS = (
    "what", "ours", "measured against", "peer", "ratio", "CPU ratio", "goal", "CPU us (service+db)", "p50 ms",
    "p99 ms", "MB", "",
)  # fmt: skip
BELOW = "BELOW"


@dataclass(frozen=True, slots=True)
class Line:
    """One row as text; `met` is None where nothing is judged."""

    what: str
    ours: str
    against: str = ""
    peer: str = ""
    ratio: str = ""
    cpu_ratio: str = ""
    goal: str = ""
    cpu: str = ""
    p50: str = ""
    p99: str = ""
    memory: str = ""
    met: bool | None = None

    @property
    def cells(self) -> tuple[str, ...]:
        verdict = {None: "", True: "met", False: BELOW}[self.met]
        return (
            self.what, self.ours, self.against, self.peer, self.ratio, self.cpu_ratio, self.goal, self.cpu, self.p50,
            self.p99, self.memory, verdict,
        )  # fmt: skip


def ratio_line(
    what: str, ours: Figures, against: str, peer: Figures, goal: float | None, *, cpu_counts: bool = True
) -> Line:
    """Ours beside a peer's; without a CPU figure, or where it counts for nothing, throughput alone is judged."""
    ratio = ours.rate / peer.rate
    cpu_ratio = peer.cpu / ours.cpu if ours.cpu and peer.cpu else None
    judged = [ratio] if cpu_ratio is None or not cpu_counts else [ratio, cpu_ratio]
    return Line(
        what,
        f"{ours.rate:,.0f}/s",
        against,
        f"{peer.rate:,.0f}/s",
        f"{ratio:.2f}",
        "" if cpu_ratio is None else f"{cpu_ratio:.2f}",
        "" if goal is None else f">= {goal:.2f}",
        f"{ours.server_cpu:.0f}+{ours.database_cpu:.0f} : {peer.server_cpu:.0f}+{peer.database_cpu:.0f}",
        f"{ours.p50:.1f}" if ours.p50 else "",
        f"{ours.p99:.1f}" if ours.p99 else "",
        f"{ours.memory:.0f}" if ours.memory else "",
        None if goal is None else all(round(one, 2) >= goal for one in judged),
    )


def limit_line(what: str, value: float, most: float, unit: str, **more: str) -> Line:
    """A figure that must not be larger."""
    return Line(what, f"{value:,.2f} {unit}".rstrip(), goal=f"<= {most:g} {unit}".rstrip(), met=value <= most, **more)


def as_markdown(lines: Sequence[Line]) -> str:
    """One aligned table that is Markdown, too."""
    rows = [HEADS, *(line.cells for line in lines)]
    widths = [max(3, *(len(row[place]) for row in rows)) for place in range(len(HEADS))]
    drawn = [_row(row, widths) for row in rows]
    return "\n".join([drawn[0], _row(["-" * width for width in widths], widths), *drawn[1:]])


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)) + " |"
