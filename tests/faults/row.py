"""What a row of the fault table says, and what running it found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.faults.history import Counts
from tests.faults.load import Load
from tests.faults.rig import Rig


@dataclass
class Scene:
    """What a fault is done to; `size` scales what it repeats within itself."""

    rig: Rig
    load: Load
    size: int
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Something that the table shall say."""
        self.notes.append(text)


Fault = Callable[[Scene], Awaitable[float]]
"""Does it once and undoes it; gives the moment (monotonic) from which on recovery counts."""


@dataclass(frozen=True)
class Row:
    """One fault, and the figures that are expected besides nothing lost, unexpected, doubled and overspent."""

    id: str
    what: str
    fault: Fault
    times: tuple[int, int]
    """Repeats in the short and in the full form; 0 leaves it out."""
    sizes: tuple[int, int] = (1, 1)
    """How often the fault itself does what it does."""
    always: bool = False
    """Whether every call has to be answered all the time."""
    loaded: bool = True
    """Whether people go on meanwhile; else the fault makes its own calls."""
    back: float = 10.0
    """Within so many seconds calls are answered again without exception."""
    caught_up: float = 30.0
    """And within so many more all invariants hold, with nothing unsent, parked, dead or missing."""
    slowest: float = 10.5
    """The longest that a call may wait for its answer."""
    limit: int = 100_000


@dataclass
class Result:
    """What was measured; `failures` say where it is not what the row expects."""

    row: Row
    repeats: int
    available: float = 100.0
    reads: float = 100.0
    back: float = 0.0
    caught_up: float = 0.0
    slowest: float = 0.0
    counts: Counts = field(default_factory=Counts)
    broken: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
