"""A file on its way in: from a form to a file of this machine, in little memory, its type told by its content."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
import unicodedata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import BodyPartReader, MultipartReader, hdrs, web
from aiohttp.http_exceptions import HttpProcessingError

from services.recognition.domain.files import INVALID_FILE, LARGEST, Attribute, check_type
from services.recognition.files import archives
from shared.errors import InvalidData, PayloadTooLarge, UnsupportedMediaType

CHUNK = 64 * 1024
SNIFFED = 8 * 1024
"""How much of the beginning tells the type."""
PAUSE_SECONDS = 5.0
WHOLE_SECONDS = 60.0
PREFIX = "peerly-upload-"
PART = "file"
LONGEST_NAME = 255
UNNAMED = "file"
NO_FORM = (
    ValueError,
    AssertionError,
    RuntimeError,
    HttpProcessingError,
    web.HTTPRequestEntityTooLarge,
    web.RequestPayloadError,
)
"""What aiohttp raises of a body that is no form, or ends too early."""


class FileTooLarge(PayloadTooLarge):
    message = f"The file is larger than {LARGEST // 2**20} MiB"


@dataclass(frozen=True, slots=True)
class Received:
    """What came, as it came; the file at `path` is gone when the request ends."""

    path: Path
    name: str
    media_type: str
    size: int
    sha256: str


@asynccontextmanager
async def received(request: web.Request, attribute: Attribute, folder: Path) -> AsyncIterator[Received]:
    """The one file of the form. Raises `InvalidData`, `FileTooLarge`, `UnsupportedMediaType`."""
    with tempfile.TemporaryDirectory(prefix=PREFIX, dir=folder) as place:
        yield await _receive(request, attribute, Path(place) / "received")


async def _receive(request: web.Request, attribute: Attribute, path: Path) -> Received:
    if request.content_type != "multipart/form-data":
        raise UnsupportedMediaType("Send the file as multipart/form-data, in a part named file")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise UnsupportedMediaType("Send the body without Content-Encoding")
    if (request.content_length or 0) > LARGEST + 2**20:
        raise FileTooLarge
    try:
        async with asyncio.timeout(WHOLE_SECONDS):
            form = await request.multipart()
            return await _receive_part(await _the_part(form), form, attribute, path)
    except TimeoutError:
        raise InvalidData(f"{INVALID_FILE}: the body did not arrive in time") from None
    except NO_FORM as error:
        raise InvalidData(f"{INVALID_FILE}: the body is not a multipart form") from error


async def _the_part(form: MultipartReader) -> BodyPartReader:
    async with asyncio.timeout(PAUSE_SECONDS):
        part = await form.next()
    if not isinstance(part, BodyPartReader) or part.name != PART:
        raise InvalidData(INVALID_FILE, fields={PART: "Send one part with this name, and no other."})
    return part


async def _receive_part(part: BodyPartReader, form: MultipartReader, attribute: Attribute, path: Path) -> Received:
    digest, size, head = hashlib.sha256(), 0, b""
    with path.open("wb") as file:
        async for chunk in _chunks(part):
            size += len(chunk)
            if size > LARGEST:
                raise FileTooLarge
            digest.update(chunk)
            await asyncio.to_thread(file.write, chunk)
            if len(head) < SNIFFED:
                head += chunk
                if len(head) >= SNIFFED and not head.startswith(archives.SIGNATURE):
                    check_type(attribute, sniffed(head))
    if not size:
        raise InvalidData(INVALID_FILE, fields={PART: "Is empty."})
    media_type = check_type(attribute, await asyncio.to_thread(_type_of, path, head))
    async with asyncio.timeout(PAUSE_SECONDS):
        if await form.next() is not None:
            raise InvalidData(INVALID_FILE, fields={PART: "Send one part with this name, and no other."})
    return Received(path, shown_name(part.filename), media_type, size, digest.hexdigest())


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while True:
        async with asyncio.timeout(PAUSE_SECONDS):
            chunk = await part.read_chunk(CHUNK)
        if not chunk:
            return
        yield chunk


def _type_of(path: Path, head: bytes) -> str | None:
    return archives.document_type(path) if head.startswith(archives.SIGNATURE) else sniffed(head)


def sniffed(head: bytes) -> str | None:
    """The type that the first bytes tell, whatever anybody says of it."""
    import filetype  # type: ignore[import-untyped]  # some dozen modules, of use to nobody who uploads nothing

    found: str | None = filetype.guess_mime(head)
    return found


def shown_name(given: str | None) -> str:
    """The name without a path, and without what is no visible character."""
    name = (given or "").replace("\\", "/").rpartition("/")[2]
    name = "".join(letter for letter in name if unicodedata.category(letter)[0] != "C" and letter not in '"<>|:*?')
    stem = name.strip().strip(".").strip()
    return stem[-LONGEST_NAME:] or UNNAMED
