"""Composition root: which routes, handlers and tables make this service."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from services.moderation import consumers, routes
from services.moderation.settings import Settings
from shared import members
from shared.consumer import Handler
from shared.contracts import Event, value_lists
from shared.contracts import recognition as recognitions
from shared.history import Kind, history_routes
from shared.http import Route
from shared.identity import records
from shared.service import Service

ROUTES = (
    *history_routes(Kind("moderation/cases", "case", "recognition_id")),
    Route("POST", "/recognitions/{id}/report", routes.report_recognition),
    Route("POST", "/recognitions/{id}/review", routes.review_recognition),
    Route("GET", "/moderation/cases", routes.list_cases),
    Route("GET", "/moderation/cases/{recognition_id}", routes.show_case),
)

HANDLERS: dict[type[Event], Handler] = {
    recognitions.RecognitionGiven: consumers.recognition_given,
    recognitions.RecognitionChanged: consumers.recognition_changed,
    recognitions.RecognitionDeleted: consumers.recognition_deleted,
    value_lists.ValueListChanged: consumers.value_list_changed,
    **members.handlers(),
    **records.HANDLERS,
}


SERVICE = Service(
    name="moderation",
    title="Peerly moderation",
    routes=ROUTES,
    handlers=HANDLERS,
    migrations=Path(__file__).parent / "migrations",
    read_settings=partial(Settings.read, "moderation"),
)
