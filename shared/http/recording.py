"""Every answered request in the metrics and the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from aiohttp import web
from prometheus_client import Counter, Histogram

from shared import telemetry


@dataclass(slots=True)
class Seen:
    """Which route of which service a request came to, and whose it is."""

    route: str
    service: str
    user_id: int | None = None


SEEN = web.RequestKey("seen", Seen)


class _Meters(NamedTuple):
    answers: Counter
    latency: Histogram


class Recorder:
    """Counts and logs the answers of one port; `service` is whose they are where no route says it."""

    def __init__(self, service: str) -> None:
        self._unmatched = Seen("unmatched", service)
        self._meters: dict[tuple[str, str, str, int], _Meters] = {}

    def record(self, request: web.Request, status: int, seconds: float, request_id: str) -> None:
        """One request with its answer, begun after so many seconds."""
        seen = request.get(SEEN, self._unmatched)
        meters = self._meters_of(seen.service, request.method, seen.route, status)
        meters.answers.inc()
        meters.latency.observe(seconds)
        telemetry.log_request(
            {
                "service": seen.service,
                "method": request.method,
                "route": seen.route,
                "status": status,
                "ms": round(seconds * 1000, 2),
                "request_id": request_id,
                "user_id": seen.user_id,
            }
        )

    def _meters_of(self, service: str, method: str, route: str, status: int) -> _Meters:
        """Looked up once: with labels that looks for them each time it costs as much again."""
        key = service, method, route, status
        found = self._meters.get(key)
        if found is None:
            answers = telemetry.REQUESTS.labels(service, method, route, status)
            found = self._meters[key] = _Meters(answers, telemetry.LATENCY.labels(service, method, route))
        return found
