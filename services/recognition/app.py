"""Composition root: which routes and handlers make this service."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from services.recognition import consumers, giving
from services.recognition.exporting import exporting
from services.recognition.files import collecting
from services.recognition.files.transfers import storing
from services.recognition.insights import folding
from services.recognition.insights import routes as insights
from services.recognition.routes import campaigns, core_values, exports, files, proof, querying, recognitions, series
from services.recognition.settings import Settings
from shared import members
from shared.contracts import Event
from shared.contracts import moderation as reviews
from shared.contracts import quota as policies
from shared.contracts.teams import TeamChanged
from shared.history import Kind, history_routes
from shared.http import Route
from shared.identity import records
from shared.inbox import Handler
from shared.service import Service

ROUTES = (
    *history_routes(
        Kind("core_values", "core value"),
        Kind("recognitions", "recognition"),
        Kind("campaigns", "campaign"),
        Kind("recognition-series", "series"),
    ),
    *querying.ROUTES,
    *campaigns.ROUTES,
    *series.ROUTES,
    *insights.ROUTES,
    *files.ROUTES,
    *exports.ROUTES,
    Route("POST", "/core_values", core_values.create_core_value),
    Route("GET", "/core_values", core_values.list_core_values),
    Route("GET", "/core_values/{id}", core_values.show_core_value),
    Route("PUT", "/core_values/{id}", core_values.replace_core_value),
    Route("PATCH", "/core_values/{id}", core_values.change_core_value),
    Route("DELETE", "/core_values/{id}", core_values.delete_core_value),
    Route("POST", "/recognitions", recognitions.give_recognition),
    Route("GET", "/recognitions", recognitions.list_recognitions),
    Route("GET", "/recognitions/{id}", recognitions.show_recognition),
    Route("PUT", "/recognitions/{id}", recognitions.replace_recognition),
    Route("PATCH", "/recognitions/{id}", recognitions.change_recognition),
    Route("DELETE", "/recognitions/{id}", recognitions.take_back_recognition),
    Route("POST", "/recognitions/{id}/hi5", recognitions.give_hi5),
    Route("GET", "/recognitions/{id}/hi5", recognitions.list_hi5s),
    Route("GET", "/hi5s/proof", proof.prove_hi5s),
)

HANDLERS: dict[type[Event], Handler] = {
    policies.QuotaPolicyChanged: consumers.policy_changed,
    policies.AllowanceAdjusted: consumers.allowance_adjusted,
    reviews.RecognitionHidden: consumers.recognition_moderated,
    reviews.RecognitionRestored: consumers.recognition_moderated,
    TeamChanged: consumers.team_changed,
    **members.handlers(organisation=consumers.organisation_told, person=consumers.person_told),
    **records.HANDLERS,
}


SERVICE = Service(
    name="recognition",
    title="Peerly recognition",
    routes=ROUTES,
    handlers=HANDLERS,
    migrations=Path(__file__).parent / "migrations",
    read_settings=partial(Settings.read, "recognition"),
    resources=(storing, exporting),
    jobs=(giving.keep_giving, folding.keep_folding, collecting.keep_collecting),
)
