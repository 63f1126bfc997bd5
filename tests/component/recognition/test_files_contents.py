"""TM-10: what a content may be, and how it goes out."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest

from services.recognition.domain.files import LARGEST
from services.recognition.files import receiving
from services.recognition.files.receiving import shown_name
from tests.component.recognition.filing import (
    HTML,
    PDF,
    PROGRAM,
    SVG,
    archive,
    content,
    form_of,
    picture,
    send,
    upload,
    uploaded,
)
from tests.component.recognition.world import ANNA, BEN, CLEO, Api
from tests.support.api import Reply

OFFICE = "application/vnd.openxmlformats-officedocument."
TAKEN = {
    "a.png": (picture("PNG"), "image/png"),
    "a.jpg": (picture("JPEG"), "image/jpeg"),
    "a.gif": (picture("GIF"), "image/gif"),
    "a.webp": (picture("WEBP"), "image/webp"),
    "a.pdf": (PDF, "application/pdf"),
    "a.docx": (
        archive("[Content_Types].xml", "_rels/.rels", "word/document.xml"),
        f"{OFFICE}wordprocessingml.document",
    ),
    "a.xlsx": (archive("[Content_Types].xml", "_rels/.rels", "xl/workbook.xml"), f"{OFFICE}spreadsheetml.sheet"),
    "a.odt": (archive("mimetype", "content.xml"), "application/vnd.oasis.opendocument.text"),
    "lies.exe": (PDF, "application/pdf"),
}
ORDERS = {
    "thumbnail first.docx": (
        archive("docProps/thumbnail.jpeg", "customXml/item1.xml", "[Content_Types].xml", "word/document.xml"),
        f"{OFFICE}wordprocessingml.document",
    ),
    "many pictures first.pptx": (
        archive(
            *(f"ppt/media/image{number}.jpeg" for number in range(99)), "[Content_Types].xml", "ppt/presentation.xml"
        ),
        f"{OFFICE}presentationml.presentation",
    ),
    "custom first.xlsx": (
        archive("customXml/item1.xml", "xl/workbook.xml", "[Content_Types].xml"),
        f"{OFFICE}spreadsheetml.sheet",
    ),
}
REFUSED = {
    "svg": SVG, "html": HTML, "program": PROGRAM, "text": b"just words", "zip": archive("a.txt"),
    "a program in an archive": archive("[Content_Types].xml", "word/a", "a.class"),
    "two documents": archive("[Content_Types].xml", "word/document.xml", "xl/workbook.xml"),
    "a template": archive("mimetype", "content.xml").replace(b"opendocument.text", b"opendocument.test"),
    "an archive and more": archive("[Content_Types].xml", "word/document.xml") + HTML,
    "more and an archive": archive("a.txt") + archive("[Content_Types].xml", "word/document.xml"),
    "half an archive": archive("[Content_Types].xml", "word/document.xml")[:-40],
    "an archive's head": archive("[Content_Types].xml")[:30],
    "many entries": archive("[Content_Types].xml", "word/document.xml", *map(str, range(10_000))),
    "tiff": picture("TIFF"), "bmp": picture("BMP"), "icon": picture("ICO"),
    "half a head": picture()[:5], "head alone": picture()[:8],
    "html with a picture's head": b"GIF89a" + HTML,
}  # fmt: skip


@pytest.fixture
async def given(api: Api) -> int:
    return await api.given(ANNA, BEN, await api.new_value())


async def test_tm10_the_first_bytes_tell_the_type(api: Api, given: int) -> None:
    for name, (sent, media_type) in TAKEN.items():
        form = form_of(sent, name, media_type="text/html")
        made = (await send(api, ANNA, "recognitions", given, form)).data
        assert (made["media_type"], made["name"]) == (media_type, name)
        read = await content(api, CLEO, made["file_id"])
        assert read.headers["Content-Type"] == media_type
        assert read.headers["X-Content-Type-Options"] == "nosniff"
        assert read.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
        shown = "inline" if media_type.startswith("image/") else "attachment"
        assert read.headers["Content-Disposition"] == f"{shown}; filename*=UTF-8''{name}"
        assert len(read.raw) == made["size"]


async def test_tm10_a_document_is_one_in_whatever_order_its_parts_are(api: Api, given: int) -> None:
    for name, (sent, media_type) in ORDERS.items():
        made = await uploaded(api, ANNA, "recognitions", given, sent, name=name)
        assert made["media_type"] == media_type, name


async def test_tm10_what_does_not_fit_is_415(api: Api, given: int) -> None:
    for name, sent in REFUSED.items():
        for kind, id_ in (("recognitions", given), ("users", ANNA.user_id)):
            assert (await upload(api, ANNA, kind, id_, sent)).code == (415, "unsupported_media_type"), name
    for sent in (PDF, TAKEN["a.docx"][0]):
        assert (await upload(api, ANNA, "users", ANNA.user_id, sent)).code == (415, "unsupported_media_type")


async def raw(
    api: Api, id_: int, body: Any, content_type: str = "multipart/form-data; boundary=x", **more: str
) -> Reply:
    headers = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in more.items()}}
    return await send(api, ANNA, "recognitions", id_, body, **headers)


PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
FORMLESS = {
    "nothing": b"", "words": b"words", "no end": PART + PDF, "no parts": b"--x--\r\n", "open head": b"--x\r\nContent-",
    "another name": PART.replace(b'"file"', b'"other"') + PDF + b"\r\n--x--\r\n",
    "empty": PART + b"\r\n--x--\r\n",
    "two": PART + PDF + b"\r\n" + PART + PDF + b"\r\n--x--\r\n",
    "no name": b"--x\r\n\r\n" + PDF + b"\r\n--x--\r\n",
    "nested": b'--x\r\nContent-Type: multipart/mixed; boundary=y\r\nContent-Disposition: form-data; name="file"\r\n\r\n'
    b"--y\r\n\r\na\r\n--y--\r\n--x--\r\n",
    "long head": b"--x\r\nContent-Disposition: form-data; name=" + b"f" * 20_000 + b"\r\n\r\na\r\n--x--\r\n",
    "many heads": b"--x\r\n" + b"A: b\r\n" * 5000 + b"\r\na\r\n--x--\r\n",
}  # fmt: skip


async def test_tm10_what_is_no_form_with_one_file_is_400(api: Api, given: int) -> None:
    for name, body in FORMLESS.items():
        assert (await raw(api, given, body)).code == (400, "invalid_data"), name


async def test_tm10_other_forms_of_bodies_are_415(api: Api, given: int) -> None:
    whole = PART + PDF + b"\r\n--x--\r\n"
    assert (await raw(api, given, whole)).status == 201
    for content_type in ("application/json", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x"):
        assert (await raw(api, given, whole, content_type)).code == (415, "unsupported_media_type")
    packed = await raw(api, given, gzip.compress(whole), Content_Encoding="gzip")
    assert packed.code == (415, "unsupported_media_type")
    for content_type in ("multipart/form-data", "multipart/form-data; boundary=" + "b" * 200):
        assert (await raw(api, given, whole, content_type)).code == (400, "invalid_data")


async def test_tm10_ten_mebibytes_are_taken_and_a_byte_more_is_413(api: Api, given: int) -> None:
    most = PDF + bytes(LARGEST - len(PDF))
    assert (await uploaded(api, ANNA, "recognitions", given, most))["size"] == LARGEST
    assert (await upload(api, ANNA, "recognitions", given, most + b"x")).code == (413, "payload_too_large")

    async def unmeasured() -> Any:
        yield PART + PDF
        for _ in range(LARGEST // 2**16):
            yield bytes(2**16)
        yield b"\r\n--x--\r\n"

    assert (await raw(api, given, unmeasured())).code == (413, "payload_too_large")


async def test_tm10_a_body_that_stops_coming_is_400(api: Api, given: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "PAUSE_SECONDS", 0.1)
    go_on = asyncio.Event()

    async def stopping() -> Any:
        yield PART + PDF
        await go_on.wait()

    reply = await raw(api, given, stopping())
    go_on.set()
    assert reply.code == (400, "invalid_data")


@pytest.mark.parametrize(
    ("given_name", "shown"),
    [
        ("Übersicht 2026.pdf", "Übersicht 2026.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\a.pdf", "a.pdf"),
        ("a\r\nSet-Cookie: x=1.pdf", "aSet-Cookie x=1.pdf"),
        ("\u202egnp.exe", "gnp.exe"),
        ("..", "file"),
        ("", "file"),
        (None, "file"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ('a"b<c>.pdf', "abc.pdf"),
    ],
)
def test_tm10_a_name_is_no_path_and_has_what_can_be_seen(given_name: str | None, shown: str) -> None:
    assert shown_name(given_name) == shown


@pytest.fixture
async def letters(api: Api, given: int) -> int:
    sent = PDF[:9] + bytes(range(32, 127)) * 3
    return int((await uploaded(api, ANNA, "recognitions", given, sent))["file_id"])


async def test_tm10_a_content_has_ranges(api: Api, letters: int) -> None:
    whole = await content(api, BEN, letters)
    size = len(whole.raw)
    assert whole.headers["Accept-Ranges"] == "bytes"
    for asked, start, stop in (
        ("bytes=0-0", 0, 1), ("bytes=5-9", 5, 10), ("bytes=100-", 100, size), ("bytes=-7", size - 7, size),
        ("bytes=10-99999", 10, size), ("bytes=-99999", 0, size),
    ):  # fmt: skip
        part = await content(api, BEN, letters, Range=asked)
        assert (part.status, part.raw) == (206, whole.raw[start:stop]), asked
        assert part.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{size}"
        assert part.headers["ETag"] == whole.headers["ETag"]
    for asked in ("bytes=0-1,5-6", "bytes=9-5", "lines=1-2", "bytes=a-b", "bytes=-", "0-5"):
        assert (await content(api, BEN, letters, Range=asked)).raw == whole.raw, asked
    for asked in (f"bytes={size}-", "bytes=99999-99999", "bytes=-0"):
        behind = await content(api, BEN, letters, Range=asked)
        assert behind.code == (416, "range_not_satisfiable")
        assert behind.headers["Content-Range"] == f"bytes */{size}"


async def test_tm10_a_content_has_an_entity_tag(api: Api, letters: int) -> None:
    tag = (await content(api, BEN, letters)).headers["ETag"]
    for known in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        same = await content(api, BEN, letters, If_None_Match=known)
        assert (same.status, same.raw, same.headers["ETag"]) == (304, b"", tag), known
    assert (await content(api, BEN, letters, If_None_Match='"x"')).status == 200
    assert (await content(api, BEN, letters, Range="bytes=0-4", If_Range=tag)).status == 206
    assert (await content(api, BEN, letters, Range="bytes=0-4", If_Range='"x"')).status == 200


async def test_tm10_head_tells_the_size_and_sends_nothing(api: Api, letters: int) -> None:
    whole = await content(api, BEN, letters)
    head = await api.ask(BEN, "HEAD", f"/filecontent/{letters}")
    assert (head.status, head.raw, head.headers["Content-Length"]) == (200, b"", str(len(whole.raw)))
    assert head.headers["ETag"] == whole.headers["ETag"]
