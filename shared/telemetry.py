"""Logs as one JSON line an event on standard output, and metrics for Prometheus."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson
from prometheus_client import REGISTRY, Counter, Gauge, Histogram

REQUEST_ID: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The request, or the event's first request, that the running task works for."""

REQUESTS = Counter("peerly_http_requests_total", "Answers given.", ["service", "method", "route", "status"])
LATENCY = Histogram(
    "peerly_http_request_seconds",
    "Time from the request's head to the answer's.",
    ["service", "method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
EVENTS_HANDLED = Counter("peerly_events_handled_total", "Events handled.", ["service", "type", "outcome"])
EVENTS_PUBLISHED = Counter("peerly_events_published_total", "Events confirmed by the bus.", ["service", "type"])
UNSENT = Gauge("peerly_outbox_unsent", "Outbox rows not yet confirmed.", ["service"])
PARKED = Gauge("peerly_inbox_parked", "Events parked.", ["service"])
GAP_SECONDS = Gauge("peerly_inbox_gap_seconds", "Age of the oldest missing event.", ["service"])

__all__ = [
    "EVENTS_HANDLED",
    "EVENTS_PUBLISHED",
    "GAP_SECONDS",
    "LATENCY",
    "PARKED",
    "REGISTRY",
    "REQUESTS",
    "REQUEST_ID",
    "UNSENT",
    "log",
    "log_request",
    "log_to_standard_output",
]
REQUEST = "request"

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
TOGETHER_SECONDS = 0.05
MOST_TOGETHER = 500
"""Lines of requests are written together: so many, or all of so many seconds."""


class _Together(tuple[bytes, ...]):
    """Lines that are written as they are."""

    __slots__ = ()


class _Lines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.msg, _Together):
            return b"\n".join(record.msg).decode()
        line: dict[str, Any] = {
            "at": _moment(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **{name: value for name, value in vars(record).items() if name not in _STANDARD},
        }
        if (request_id := REQUEST_ID.get()) is not None:
            line.setdefault("request_id", request_id)
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class _Output(logging.StreamHandler[Any]):
    """Lines of requests wait for each other a moment, since writing each by itself costs more than the rest of it."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(_Lines())
        self._waiting: list[bytes] = []

    def tell(self, details: dict[str, Any]) -> None:
        """One answered request; on a running loop."""
        line = {"at": _moment(time.time()), "level": "info", "event": REQUEST, **details}
        self._waiting.append(orjson.dumps(line, default=str))
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_later(TOGETHER_SECONDS, self.flush)
        elif len(self._waiting) >= MOST_TOGETHER:
            self.flush()

    def emit(self, record: logging.LogRecord) -> None:
        self._write_waiting()
        super().emit(record)

    def flush(self) -> None:
        self._write_waiting()
        super().flush()

    def _write_waiting(self) -> None:
        lines, self._waiting = _Together(self._waiting), []
        if lines:
            super().emit(logging.makeLogRecord({"msg": lines}))


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def log_to_standard_output(level: int = logging.INFO) -> None:
    """Sends all logging to standard output, a JSON line each."""
    root = logging.getLogger()
    root.handlers[:] = [_Output(sys.stdout)]
    root.setLevel(level)
    for chatty in ("aio_pika", "aiormq", "asyncio", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.ERROR)


def log_request(details: dict[str, Any]) -> None:
    """One answered request; a process that is killed takes the lines of its last moment with it."""
    root = logging.getLogger()
    if root.level <= logging.INFO and len(root.handlers) == 1 and isinstance(output := root.handlers[0], _Output):
        output.tell(details)
    else:
        log(REQUEST, **details)


def log(event: str, *, level: int = logging.INFO, error: BaseException | None = None, **details: object) -> None:
    """One event with its details (never secrets); with `error` its traceback too.

    A detail must not have the name of an attribute of `logging.LogRecord`.
    """
    logging.getLogger("peerly").log(level, event, extra=details, exc_info=error)


def log_for_a_person(level: int = logging.INFO) -> None:
    """JSON lines on standard error when it is read by a program; warnings alone when a person watches a terminal."""
    log_to_standard_output(logging.WARNING if sys.stderr.isatty() else level)
    for handler in logging.getLogger().handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)
