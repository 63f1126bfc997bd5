"""Files: into an attribute, out of it, and what is told of them."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncGenerator
from contextlib import nullcontext
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from aiohttp import hdrs

from services.recognition.commands import files as commands
from services.recognition.commands.files import FIRST_VERSION, Holder
from services.recognition.commands.recognitions import MODERATE
from services.recognition.domain.files import (
    ATTRIBUTES,
    INVALID_FILE,
    PICTURES,
    TooManyFiles,
    WrongContent,
    attribute_of,
)
from services.recognition.files.receiving import WHOLE_SECONDS, FileTooLarge, Received, received
from services.recognition.files.storage import Missing
from services.recognition.files.transfers import Files
from services.recognition.schemas import files as schemas
from services.recognition.store import files as store
from services.recognition.store.files import Content, Entry
from shared import idempotency
from shared.database import Connection
from shared.errors import AccessDenied, NotFound, Refusal, Unprocessable
from shared.http import Answer, Call, Route, created, no_content, ok, operation
from shared.http.streaming import Stream
from shared.telemetry import log

RESOURCE = "File"
TAG = "Files"
UPLOAD_SECONDS = WHOLE_SECONDS + 20
DOWNLOAD_SECONDS = 120.0
LARGE = 256 * 1024
"""What is smaller is gone into the connection's buffers at once."""
VIEWS = tuple(one.view for one in ATTRIBUTES.values())
CHANGES = ("update:profile", "manage:user", "update:core_value", "update:recognition")
"""Of which one is needed, by whose file it is."""
SANDBOX = "default-src 'none'; frame-ancestors 'none'; sandbox"
_RANGE = re.compile(r"bytes=(?:([0-9]{1,15})-([0-9]{0,15})|-([0-9]{1,15}))", re.ASCII)


class RangeNotSatisfiable(Refusal):
    """The range begins behind the end of the content."""

    status, code, message = 416, "range_not_satisfiable", "The content has no such range"


@operation(
    summary="Put a file into an attribute",
    description="A picture of a person or of a core value replaces the one before. Pictures are written anew.",
    permission="create:file",
    also=CHANGES,
    query=schemas.FILE_QUERY,
    body=schemas.UPLOAD,
    upload=True,
    seconds=UPLOAD_SECONDS,
    answers={201: schemas.FILE},
    refuses=(TooManyFiles, FileTooLarge, WrongContent, Unprocessable),
    invalid=INVALID_FILE,
    resource=RESOURCE,
    tag=TAG,
)
async def upload_file(call: Call) -> Answer:
    asked = call.query
    holder = Holder(attribute=attribute_of(asked["kind"], asked["attribute"]), id=asked["id"], base=_base(call))
    async with call.context.database.transaction(call.org_id) as tx:
        await commands.check_holder(tx, call.principal, holder)
    files = call.context.get(Files)
    with files.uploads.take(call.principal.user_id):
        async with received(call.request, holder.attribute, files.storage.incoming) as came:
            _count_the_body_in(call, came)
            content = await _stored(call, files, holder, came)

    async def effect(tx: Connection) -> Answer:
        entry = await commands.attach_file(tx, call.principal, holder, content)
        return created(_document(entry, holder.base), version=FIRST_VERSION)

    return await call.write(effect)


def _count_the_body_in(call: Call, came: Received) -> None:
    """The same Idempotency-Key with another file is another request."""
    key = call.idempotency_key
    if key is not None:
        inputs = {"first": key.body_hash.hex(), "file": came.sha256, "name": came.name}
        call.idempotency_key = idempotency.key_of(key.caller, key.route, key.key, inputs)


async def _stored(call: Call, files: Files, holder: Holder, came: Received) -> Content:
    path, kept = came.path, Content(came.name, came.media_type, came.size, None, None, came.sha256, uuid4().hex)
    if came.media_type in PICTURES:
        made = await files.rewriter.rewrite(path, fitted=holder.attribute.fitted)
        path = made.path
        kept = Content(came.name, made.media_type, made.size, made.width, made.height, made.sha256, kept.content_key)
    async with call.context.database.transaction(call.org_id) as tx:
        await store.announce_content(tx, kept.content_key)
    await files.storage.put(kept.content_key, path)
    return kept


@operation(
    summary="Show the files of an attribute",
    permission="view:file",
    also=VIEWS,
    answers={200: schemas.FILES},
    invalid=INVALID_FILE,
    resource=RESOURCE,
    tag=TAG,
)
async def show_files(call: Call) -> Answer:
    async with call.read() as tx:
        held = await store.container(tx, call.path["files_id"], moderates=call.principal.may(MODERATE))
        if held is None:
            raise NotFound(RESOURCE)
        _check_view(call, held.kind)
        entries = await store.entries(tx, held.id)
    shown = {"files_id": held.id, "kind": held.kind, "id": held.resource_id, "attribute": held.attribute}
    return ok(shown | {"files": [_document(entry, _base(call)) for entry in entries]})


@operation(
    summary="Show what is told of a file",
    permission="view:file",
    also=VIEWS,
    answers={200: schemas.FILE},
    invalid=INVALID_FILE,
    resource=RESOURCE,
    tag=TAG,
)
async def describe_file(call: Call) -> Answer:
    return ok(_document(await _found(call), _base(call)), version=FIRST_VERSION)


@operation(
    summary="Read a file's content",
    description="Takes `Range` (one) and `If-Range`.",
    permission="view:file",
    also=VIEWS,
    headers=("Range", "If-Range"),
    stream_seconds=DOWNLOAD_SECONDS,
    answers={200: None, 206: None},
    refuses=(RangeNotSatisfiable,),
    enveloped=False,
    media_type="*/*",
    invalid=INVALID_FILE,
    resource=RESOURCE,
    tag=TAG,
)
async def read_file(call: Call) -> Answer:
    entry = await _found(call)
    tag = f'"{FIRST_VERSION}.{entry.sha256[:24]}"'
    span = _range(call, entry.size, tag)
    start, stop = span or (0, entry.size)
    headers = {
        "ETag": tag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Security-Policy": SANDBOX,
        "Content-Disposition": _disposition(entry),
    }
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{entry.size}"
    body = Stream(_content(call, entry, start, stop), stop - start, DOWNLOAD_SECONDS)
    return Answer(200 if span is None else 206, body, headers=headers, enveloped=False, content_type=entry.media_type)


async def _content(call: Call, entry: Entry, start: int, stop: int) -> AsyncGenerator[bytes, None]:
    files = call.context.get(Files)
    chunks = files.storage.read(entry.content_key, start, stop)
    try:
        with files.downloads.take(call.principal.user_id) if stop - start > LARGE else nullcontext():
            async for chunk in chunks:
                yield chunk
    except Missing:
        log("a file's content is missing", level=logging.ERROR, file_id=entry.id, key=entry.content_key)
        raise NotFound("Content") from None
    finally:
        await chunks.aclose()


def _range(call: Call, size: int, tag: str) -> tuple[int, int] | None:
    """Of one range, from where to before where; None for the whole. Raises `RangeNotSatisfiable`."""
    headers = call.request.headers
    found = _RANGE.fullmatch(headers.get(hdrs.RANGE, "").strip())
    conditional = headers.get(hdrs.IF_RANGE)
    if found is None or hdrs.IF_NONE_MATCH in headers or (conditional is not None and conditional.strip() != tag):
        return None
    first, last, tail = found.groups()
    start = max(0, size - int(tail)) if first is None else int(first)
    stop = min(size, int(last) + 1) if last else size
    if last and int(last) < int(first):
        return None
    if start >= stop:
        raise RangeNotSatisfiable(headers={"Content-Range": f"bytes */{size}"})
    return start, stop


def _disposition(entry: Entry) -> str:
    shown = "inline" if entry.media_type in PICTURES else "attachment"
    return f"{shown}; filename*=UTF-8''{quote(entry.name, safe='')}"


@operation(
    summary="Remove a file from its attribute",
    permission="delete:file",
    also=(*CHANGES, "delete:recognition"),
    answers={204: None},
    refuses=(Unprocessable,),
    invalid=INVALID_FILE,
    resource=RESOURCE,
    tag=TAG,
)
async def remove_file(call: Call) -> Answer:
    async def effect(tx: Connection) -> Answer:
        if not await commands.remove_file(tx, call.principal, call.path["file_id"], _base(call), call.check_version):
            raise NotFound(RESOURCE)
        return no_content()

    return await call.write(effect)


async def _found(call: Call) -> Entry:
    async with call.read() as tx:
        entry = await store.find(tx, call.path["file_id"], moderates=call.principal.may(MODERATE))
    if entry is None:
        raise NotFound(RESOURCE)
    _check_view(call, entry.kind)
    return entry


def _check_view(call: Call, kind: str) -> None:
    if not call.principal.may(ATTRIBUTES[kind].view):
        raise AccessDenied


def _base(call: Call) -> str:
    return call.context.settings.public_url


def _document(entry: Entry, base: str) -> dict[str, Any]:
    return {
        "file_id": entry.id,
        "files_id": entry.container_id,
        "kind": entry.kind,
        "id": entry.resource_id,
        "attribute": entry.attribute,
        "name": entry.name,
        "media_type": entry.media_type,
        "size": entry.size,
        "width": entry.width,
        "height": entry.height,
        "url": commands.address(base, entry.id),
        "uploaded_by": entry.uploaded_by,
        "uploaded_at": int(entry.uploaded_at.timestamp()),
    }


ROUTES = (
    Route("POST", "/files", upload_file),
    Route("GET", "/files/{files_id}", show_files),
    Route("GET", "/filecontent/{file_id}", read_file),
    Route("GET", "/filecontent/{file_id}/description", describe_file),
    Route("DELETE", "/filecontent/{file_id}", remove_file),
)
