"""What every answer has to be: the fields of the document and no other, and the headers that protect a browser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from services import documents
from shared.identity import PUBLIC
from tests.support.api import Reply
from tests.support.walk import Operation

SCHEMAS: Mapping[str, Any] = documents.merged()["components"]["schemas"]
OF_ANY_FORM = {"/", "/openapi.json", "/postman.json"}
COMMON = {"X-Content-Type-Options": "nosniff"}
BINARY = ("image/png", "image/jpeg")
NEVER = ("Server", "X-Powered-By", "Via")


def check_conformance(operation: Operation, reply: Reply, *, signed_in: bool) -> None:
    """Raises `AssertionError` with what is beyond the document or missing of the headers."""
    check_headers(reply)
    if signed_in and reply.status < 300 and operation.permission != PUBLIC:
        assert reply.headers["Cache-Control"].startswith(("no-store", "private"))
    if reply.raw and reply.headers["Content-Type"].startswith("application/json"):
        schema = schema_of(operation, reply)
        assert schema is not None, reply.status
        assert operation.path in OF_ANY_FORM or list(beyond(reply.body, schema)) == []


def beyond(value: Any, schema: Mapping[str, Any], place: str = "$") -> Iterator[str]:
    """The fields of an answer that its schema does not name."""
    while "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        yield from min((list(beyond(value, one, place)) for one in schema["anyOf"]), key=len)
        return
    if isinstance(value, list):
        for item in value:
            yield from beyond(item, schema.get("items", {}), f"{place}[]")
    if isinstance(value, dict) and "additionalProperties" not in schema:
        known = schema.get("properties", {})
        for name, inner in value.items():
            if name in known:
                yield from beyond(inner, known[name], f"{place}.{name}")
            else:
                yield f"{place}.{name}"


def schema_of(operation: Operation, reply: Reply) -> Mapping[str, Any] | None:
    content = operation.described["responses"].get(str(reply.status), {}).get("content", {})
    found: Mapping[str, Any] | None = content.get("application/json", {}).get("schema")
    return found


def check_headers(reply: Reply) -> None:
    headers = reply.headers
    assert COMMON.items() <= headers.items()
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] in {"no-referrer", "same-origin", "origin"}
    assert headers["X-Request-Id"]
    assert headers["Cache-Control"]
    assert not [name for name in NEVER if name in headers]
    assert not reply.raw or "charset=utf-8" in headers["Content-Type"] or headers["Content-Type"] in BINARY
