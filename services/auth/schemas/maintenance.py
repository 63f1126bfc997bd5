"""Bodies of maintenance windows in, windows out."""

from __future__ import annotations

import marshmallow as ma

from services.auth.schemas import Strict
from shared.http.fields import EpochSeconds, Id, Text

LONGEST_MESSAGE = 500


class WriteWindow(Strict):
    starts_at = EpochSeconds(required=True, metadata={"description": "A moment that has passed begins it at once."})
    ends_at = EpochSeconds(required=True, metadata={"description": "After starts_at and now; 30 days later at most."})
    message = Text(0, LONGEST_MESSAGE, load_default="", metadata={"description": "What people are told."})


class MaintenanceWindow(ma.Schema):
    id = Id(required=True)
    starts_at = EpochSeconds(required=True)
    ends_at = EpochSeconds(required=True)
    message = ma.fields.String(required=True)
    version = Id(required=True, metadata={"description": "For If-Match, in quotes; it grows with each change."})


WRITE_WINDOW = WriteWindow()
MAINTENANCE_WINDOW = MaintenanceWindow()
