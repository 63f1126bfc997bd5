"""Documents that a process serves about itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from shared.http.answers import Answer, Raw
from shared.http.call import Call
from shared.http.operation import Route, operation
from shared.identity import PUBLIC

JSON = "application/json"


def document_route(
    path: str, content: Mapping[str, Any] | bytes, summary: str, *, name: str, media_type: str = JSON
) -> Route:
    """A public route that serves one fixed document in UTF-8; `name` is its operation's in the OpenAPI document."""
    body = content if isinstance(content, bytes) else orjson.dumps(content)

    async def read_document(call: Call) -> Answer:
        headers = {"Cache-Control": "public, max-age=300"}
        content_type = f"{media_type}; charset=utf-8"
        return Answer(200, Raw(body), headers=headers, enveloped=False, content_type=content_type)

    read_document.__name__ = name
    declare = operation(
        summary=summary,
        permission=PUBLIC,
        answers={200: None},
        enveloped=False,
        tag="Operations",
        media_type=media_type,
    )
    return Route("GET", path, declare(read_document))
