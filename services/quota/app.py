"""Composition root: which routes, handlers and tables make this service."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from services.quota import consumers, routes
from services.quota.settings import Settings
from shared import members
from shared.consumer import Handler
from shared.contracts import Event
from shared.contracts import recognition as recognitions
from shared.history import Kind, history_routes
from shared.http import Route
from shared.identity import records
from shared.service import Service

ROUTES = (
    *history_routes(Kind("policies", "policy"), Kind("quota/users", "person")),
    Route("GET", "/quota/me", routes.show_own_quota),
    Route("GET", "/quota/users/{id}", routes.show_quota),
    Route("GET", "/quota/users/{id}/ledger", routes.list_ledger),
    Route("POST", "/quota/users/{id}/adjustments", routes.adjust_quota),
    Route("GET", "/availability", routes.show_availability),
    Route("GET", "/quota/proof", routes.show_proof),
)

HANDLERS: dict[type[Event], Handler] = {
    recognitions.Hi5Spent: consumers.hi5_spent,
    recognitions.Hi5Refunded: consumers.hi5_refunded,
    recognitions.RecognitionGiven: consumers.recognition_given,
    recognitions.AllowancesRestated: consumers.allowances_restated,
    **members.handlers(organisation=consumers.organisation_told),
    **records.HANDLERS,
}


SERVICE = Service(
    name="quota",
    title="Peerly quota",
    routes=ROUTES,
    handlers=HANDLERS,
    migrations=Path(__file__).parent / "migrations",
    read_settings=partial(Settings.read, "quota"),
)
