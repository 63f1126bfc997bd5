"""What a handler gives back, and how it becomes bytes: envelope, entity tag, error."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from shared.errors import Refusal
from shared.http.streaming import Stream, Streamed
from shared.http.unnamed import Response

if TYPE_CHECKING:
    from shared.http.call import Call

JSON = "application/json; charset=utf-8"
REPLAYED = "Idempotency-Replayed"


@dataclass(frozen=True, slots=True)
class Raw:
    """JSON that PostgreSQL made; passed on as it is."""

    json: bytes | str

    @property
    def bytes(self) -> bytes:
        """The JSON as UTF-8."""
        return self.json if isinstance(self.json, bytes) else self.json.encode()


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer; `version` is the resource's, for its entity tag; standard documents are not `enveloped`.

    Of `data` that is a `Stream` its headers tell the entity tag.

    `secrets` names what in `data`, an object then, is told once: a repetition of the request gets null there.
    """

    status: int
    data: Any = None
    meta: Mapping[str, Any] | None = None
    version: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    enveloped: bool = True
    content_type: str = JSON
    secrets: frozenset[str] = frozenset()

    @property
    def is_replayed(self) -> bool:
        """Whether it was given before, to the same request."""
        return REPLAYED in self.headers

    def body(self) -> bytes:
        """The answer's bytes."""
        if self.status == 204:
            return b""
        data = self.data.bytes if isinstance(self.data, Raw) else orjson.dumps(self.data)
        if not self.enveloped:
            return data
        if self.meta is None:
            return b'{"data":' + data + b"}"
        return b'{"data":' + data + b',"meta":' + orjson.dumps(self.meta) + b"}"

    def kept_body(self) -> bytes:
        """What is kept for a repetition of the request: the same without its secrets."""
        if not self.secrets:
            return self.body()
        return replace(self, data={**self.data, **dict.fromkeys(self.secrets)}).body()


def ok(data: Any, *, version: int | None = None, meta: Mapping[str, Any] | None = None) -> Answer:
    """200 with a resource."""
    return Answer(200, data, meta, version)


def created(
    data: Any,
    *,
    version: int | None = None,
    meta: Mapping[str, Any] | None = None,
    secrets: frozenset[str] = frozenset(),
) -> Answer:
    """201 with what was made; `secrets` names what in it is told once."""
    return Answer(201, data, meta, version, secrets=secrets)


def no_content() -> Answer:
    """204: done, nothing to say."""
    return Answer(204)


def listed(call: Call, rows: Any, *, total: int | None = None, next_cursor: str | None = None) -> Answer:
    """200 with a page of rows, its place in the list, and links to its neighbours (RFC 8288)."""
    page = call.page
    meta: dict[str, Any] = {"limit": page.limit, "offset": page.offset}
    if total is not None:
        meta["total"] = total
    if next_cursor is not None:
        meta["next_cursor"] = next_cursor
    return Answer(200, rows, meta, headers={"Link": page.links(call.request.rel_url, next_cursor)})


def listed_whole(call: Call, rows: Any, count: int) -> Answer:
    """200 with a list that is never cut into pages."""
    headers = {"Link": f'<{call.request.rel_url}>; rel="first"'}
    return Answer(200, rows, {"limit": count, "offset": 0, "total": count}, headers=headers)


def tagged(answer: Answer, of: Any) -> Answer:
    """The answer with the entity tag of `of`: for documents in which something changes by the clock alone."""
    tag = entity_tag(orjson.dumps(of), answer.version)
    return replace(answer, headers={**answer.headers, "ETag": tag})


def entity_tag(body: bytes, version: int | None) -> str:
    """`"<version>.<hash>"` for a resource, `"<hash>"` for a list."""
    digest = hashlib.blake2b(body, digest_size=9).hexdigest()
    return f'"{digest}"' if version is None else f'"{version}.{digest}"'


def respond(answer: Answer) -> web.StreamResponse:
    """An answer as an HTTP response."""
    if isinstance(answer.data, Stream):
        return Streamed(answer, answer.data)
    headers = {name: value for name, value in answer.headers.items() if value}
    if answer.status == 204:
        return Response(status=204, headers=headers)
    return Response(status=answer.status, body=answer.body(), headers={"Content-Type": answer.content_type, **headers})


def refuse(refusal: Refusal, *, with_fields: bool = True) -> Response:
    """An error as an HTTP response in the envelope."""
    error: dict[str, Any] = {"code": refusal.code, "message": refusal.message}
    if refusal.fields and with_fields:
        error["fields"] = refusal.fields
    body = orjson.dumps({"error": error})
    return Response(status=refusal.status, body=body, headers={"Content-Type": JSON, **refusal.headers})
