"""Is the process up, and can it work: what orchestrators and people ask first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import marshmallow as ma
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from shared.errors import Unavailable
from shared.http import Answer, Call, Raw, Route, ok, operation
from shared.identity import PUBLIC
from shared.telemetry import REGISTRY

Probe = Callable[[], Awaitable[str | None]]
"""Tells what is wrong, or nothing."""


@dataclass(slots=True)
class Health:
    """The probes of a process by the name of the part; `draining` once it has been told to stop."""

    probes: dict[str, Probe] = field(default_factory=dict)
    draining: bool = False

    async def failing(self) -> dict[str, str]:
        """What each failing part says."""
        if self.draining:
            return {"process": "is stopping"}
        found = {name: await probe() for name, probe in self.probes.items()}
        return {name: reason for name, reason in found.items() if reason is not None}


class StatusSchema(ma.Schema):
    """A short word on the process."""

    status = ma.fields.String(required=True)


_STATUS = StatusSchema()


@operation(summary="Is the process up?", permission=PUBLIC, answers={200: _STATUS}, tag="Operations")
async def healthz(call: Call) -> Answer:
    """Answers whatever the dependencies do."""
    return ok({"status": "up"})


@operation(
    summary="Can it work: are database and bus reachable?", permission=PUBLIC, answers={200: _STATUS}, tag="Operations"
)
async def readyz(call: Call) -> Answer:
    """503 names the failing part."""
    failing = await call.context.get(Health).failing()
    if failing:
        raise Unavailable("Not ready: " + "; ".join(f"{part} {reason}" for part, reason in sorted(failing.items())))
    return ok({"status": "ready"})


@operation(summary="Metrics for Prometheus", permission=PUBLIC, answers={200: None}, enveloped=False, tag="Operations")
async def metrics(call: Call) -> Answer:
    """In the text format."""
    return Answer(200, Raw(generate_latest(REGISTRY)), enveloped=False, content_type=CONTENT_TYPE_LATEST)


HEALTH_ROUTES = (Route("GET", "/healthz", healthz), Route("GET", "/readyz", readyz))
METRICS_ROUTE = Route("GET", "/metrics", metrics)
