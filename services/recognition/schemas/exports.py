"""What an export may be asked for: filters and an order, never a page."""

from __future__ import annotations

import marshmallow as ma

from services.recognition.kinds.recognitions import RECOGNITIONS
from shared.http import PageQuery
from shared.query import in_query_string


class ExportQuery(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE


_LISTED = in_query_string(RECOGNITIONS, ExportQuery)
EXPORT_QUERY: ma.Schema = type(_LISTED)(exclude=(*PageQuery().load_fields, "fields_"))
