"""What an export may be asked for: filters and an order, never a page."""

from __future__ import annotations

import marshmallow as ma

from services.recognition.kinds.recognitions import RECOGNITIONS
from services.recognition.schemas.recognitions import FeedQuery
from shared.http import PageQuery
from shared.http.fields import Choice
from shared.query import in_query_string


class ExportQuery(FeedQuery):
    status = Choice(("visible",), load_default="visible", metadata={"description": "There are no others in an export."})


_LISTED = in_query_string(RECOGNITIONS, ExportQuery)
EXPORT_QUERY: ma.Schema = type(_LISTED)(exclude=(*PageQuery().load_fields, "fields_"))
PARAMETERS = frozenset({field.data_key or name for name, field in EXPORT_QUERY.load_fields.items()} | {"org_id"})
"""All that an export knows; super admins name the organisation."""
