"""The directory: what colleagues find each other by."""

from __future__ import annotations

import marshmallow as ma

from shared.http import PageQuery
from shared.http.fields import Text


class DirectoryQuery(PageQuery):
    q = Text(0, 254, metadata={"description": "Prefix of first, last, display name or e-mail, in any case."})


class DirectoryEntry(ma.Schema):
    login_name = ma.fields.String(required=True, metadata={"description": "What `POST /login` takes: the e-mail."})
    email = ma.fields.String(required=True)
    phone = ma.fields.String(required=True, allow_none=True)
    first_name = ma.fields.String(required=True)
    last_name = ma.fields.String(required=True)
    department = ma.fields.String(required=True, allow_none=True)


DIRECTORY_QUERY = DirectoryQuery()
DIRECTORY_ENTRY = DirectoryEntry()
