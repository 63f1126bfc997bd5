"""What uploads and exports ask, and files as clients see them."""

from __future__ import annotations

import marshmallow as ma

from services.recognition.domain.files import ATTRIBUTES
from shared.http.fields import Choice, Count, EpochSeconds, Id

KINDS = tuple(ATTRIBUTES)
NAMES = tuple(one.name for one in ATTRIBUTES.values())
LARGEST_SIDE = 2**31 - 1


class FileQuery(ma.Schema):
    class Meta:
        unknown = ma.EXCLUDE

    kind = Choice(KINDS, required=True, metadata={"description": "What the file is for."})
    id = Id(required=True, metadata={"description": "Which of these."})
    attribute = Choice(NAMES, required=True, metadata={"description": "The kind's attribute that has files."})


class Upload(ma.Schema):
    file = ma.fields.Raw(required=True, metadata={"type": "string", "format": "binary", "description": "Up to 10 MiB."})


class File(ma.Schema):
    file_id = Id(required=True)
    files_id = Id(required=True, metadata={"description": "The container that it is in."})
    kind = Choice(KINDS, required=True)
    id = Id(required=True, metadata={"description": "The person, core value or recognition."})
    attribute = Choice(NAMES, required=True)
    name = ma.fields.String(required=True)
    media_type = ma.fields.String(required=True)
    size = Count(1, 2**53 - 1, required=True, metadata={"description": "In bytes."})
    width = Count(1, LARGEST_SIDE, required=True, allow_none=True, metadata={"description": "Of a picture."})
    height = Count(1, LARGEST_SIDE, required=True, allow_none=True, metadata={"description": "Of a picture."})
    url = ma.fields.String(required=True, metadata={"description": "Where its content is read."})
    uploaded_by = Id(required=True)
    uploaded_at = EpochSeconds(required=True)


class Files(ma.Schema):
    files_id = Id(required=True)
    kind = Choice(KINDS, required=True)
    id = Id(required=True)
    attribute = Choice(NAMES, required=True)
    files = ma.fields.List(ma.fields.Nested(File), required=True)


FILE_QUERY = FileQuery()
UPLOAD = Upload()
FILE = File()
FILES = Files()
