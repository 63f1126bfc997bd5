"""Maintenance windows of the installation, as auth tells of them."""

from typing import Literal

from shared.contracts.event import Event, event

MaintenanceState = Literal["planned", "removed"]


@event(publisher="auth", subject="maintenance-window/{window_id}")
class MaintenanceWindowChanged(Event):
    """From `starts_at` until `ends_at` (epoch seconds) nothing is written; after `removed` the window is none.

    The higher `version` stands.
    """

    window_id: int
    starts_at: int
    ends_at: int
    message: str
    state: MaintenanceState
    version: int
