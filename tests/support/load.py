"""A load on the gateway from a process of its own: so many requests a second, or as many as so many connections get."""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from time import perf_counter
from urllib.parse import urlsplit

TICK = 0.002
PATIENCE = 15.0


@dataclass(frozen=True)
class Plan:
    """`rate` requests a second whatever becomes of them; 0: each of `connections` sends when it has its answer."""

    url: str
    requests: list[str]
    seconds: float
    connections: int
    rate: float = 0


@dataclass(frozen=True)
class Outcome:
    """Answers by status, their seconds at the median and at 95 of 100, and what was never answered."""

    seconds: float
    answers: dict[int, int]
    median: dict[int, float]
    most: dict[int, float]
    unanswered: int

    @property
    def useful(self) -> float:
        """Requests a second that were done."""
        return sum(count for status, count in self.answers.items() if status < 300) / self.seconds

    @property
    def asked(self) -> int:
        return sum(self.answers.values()) + self.unanswered


def http_request(method: str, path: str, token: str, body: object = None) -> str:
    """One request as it goes over the wire."""
    text = "" if body is None else json.dumps(body)
    head = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Authorization: Bearer {token}"]
    if text:
        head += ["Content-Type: application/json", f"Content-Length: {len(text)}"]
    return "\r\n".join([*head, "", text])


async def put_on(plan: Plan) -> Outcome:
    """Runs the plan and tells what came of it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(json.dumps(asdict(plan)).encode())
    assert process.returncode == 0
    found = json.loads(said)
    by_status = {name: {int(status): value for status, value in found[name].items()} for name in _BY_STATUS}
    return Outcome(seconds=found["seconds"], unanswered=found["unanswered"], **by_status)


_BY_STATUS = ("answers", "median", "most")


class _Connection(asyncio.Protocol):
    """One request at a time; tells when it is free again."""

    def __init__(
        self, answered: Callable[[_Connection, int, float], None], lost: Callable[[_Connection], None]
    ) -> None:
        self._answered = answered
        self._lost = lost
        self._buffer = b""
        self._began: float | None = None
        self._transport: asyncio.WriteTransport | None = None

    @property
    def waits(self) -> bool:
        return self._began is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def send(self, request: bytes, due: float) -> None:
        assert self._transport is not None
        self._began = due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or self._began is None:
            return
        lines = head.lower().split(b"\r\n")
        length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
        if len(body) < length:
            return
        seconds, self._began, self._buffer = perf_counter() - self._began, None, body[length:]
        self._answered(self, int(head[9:12]), seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(self)


class _Run:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        place = urlsplit(plan.url)
        self._address = place.hostname or "127.0.0.1", place.port or 80
        self._requests = itertools.cycle([text.encode() for text in plan.requests])
        self._idle: list[_Connection] = []
        self._open = 0
        self._seconds: defaultdict[int, list[float]] = defaultdict(list)
        self._unanswered = 0
        self._running = True

    async def outcome(self) -> Outcome:
        began = perf_counter()
        await (self._steadily(began) if self._plan.rate else self._greedily())
        seconds = perf_counter() - began
        self._running = False
        await self._last_answers()
        return Outcome(
            seconds=seconds,
            answers=dict(Counter({status: len(all_of) for status, all_of in self._seconds.items()})),
            median={status: statistics.median(all_of) for status, all_of in self._seconds.items()},
            most={status: sorted(all_of)[int(len(all_of) * 0.95)] for status, all_of in self._seconds.items()},
            unanswered=self._unanswered,
        )

    async def _steadily(self, began: float) -> None:
        sent = 0
        while (elapsed := perf_counter() - began) < self._plan.seconds:
            due = range(sent, int(elapsed * self._plan.rate))
            sent = max(sent, due.stop)
            await self._send([began + number / self._plan.rate for number in due])
            await asyncio.sleep(TICK)

    async def _greedily(self) -> None:
        await self._send([perf_counter()] * self._plan.connections)
        await asyncio.sleep(self._plan.seconds)

    async def _send(self, due: Iterable[float]) -> None:
        for moment in due:
            connection = self._idle.pop() if self._idle else await self._connected()
            if connection is None:
                self._unanswered += 1
            else:
                connection.send(next(self._requests), moment)

    async def _connected(self) -> _Connection | None:
        if self._open >= self._plan.connections:
            return None
        loop = asyncio.get_running_loop()
        self._open += 1
        _, made = await loop.create_connection(lambda: _Connection(self._answered, self._lost), *self._address)
        return made

    def _answered(self, connection: _Connection, status: int, seconds: float) -> None:
        self._seconds[status].append(seconds)
        if self._plan.rate or not self._running:
            self._idle.append(connection)
        else:
            connection.send(next(self._requests), perf_counter())

    def _lost(self, connection: _Connection) -> None:
        self._open -= 1
        if connection.waits:
            self._unanswered += 1
        elif connection in self._idle:
            self._idle.remove(connection)

    async def _last_answers(self) -> None:
        deadline = perf_counter() + PATIENCE
        while len(self._idle) < self._open and perf_counter() < deadline:
            await asyncio.sleep(TICK)
        self._unanswered += self._open - len(self._idle)


if __name__ == "__main__":
    outcome = asyncio.run(_Run(Plan(**json.load(sys.stdin))).outcome())
    json.dump(asdict(outcome), sys.stdout)
