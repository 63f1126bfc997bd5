"""What is measured, by the name that ONLY= takes."""

from collections.abc import Awaitable, Callable, Mapping

from benchmarks.place import Place
from benchmarks.rows import around, events, latency, reads, writes
from benchmarks.table import Line

Row = Callable[[Place], Awaitable[list[Line]]]

ROWS: Mapping[str, Row] = {
    "relay": events.relay_and_consumer,
    "visible": events.visible,
    "feed": reads.feed,
    "core_values": reads.core_values,
    "me": reads.me,
    "quota": reads.quota,
    "unchanged": reads.unchanged,
    "token": around.token,
    "gateway": around.gateway,
    "scale": reads.scale,
    "latency": latency.latency,
    "hi5": writes.hi5,
    "give": writes.give,
    "processes": around.processes,
    "start": around.start,
}
"""In the order in which they are run: first what needs short tables of events, last what fills them."""

NEED_LARGE = frozenset({"scale", "latency"})
"""Those that the second organisation has to be filled for."""
