"""Files of all kinds, and how they are sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import aiohttp
from PIL import Image

from tests.component.recognition.world import Api
from tests.support.api import Caller, Reply

PDF = b"%PDF-1.7\n" + b"x" * 2000
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
PROGRAM = b"MZ" + bytes(2000)
PICTURE, THUMBNAIL, ATTACHMENTS = "profile_image_url", "thumbnail", "attachments"
ATTRIBUTES: Mapping[str, str] = {"users": PICTURE, "core_values": THUMBNAIL, "recognitions": ATTACHMENTS}


def picture(form: str = "PNG", size: tuple[int, int] = (60, 40), **options: Any) -> bytes:
    return encoded(Image.effect_noise(size, 40).convert("RGB"), form, **options)


def encoded(made: Image.Image, form: str, **options: Any) -> bytes:
    written = io.BytesIO()
    made.save(written, form, **options)
    return written.getvalue()


def moving(form: str = "GIF", frames: int = 4, size: tuple[int, int] = (30, 30), **options: Any) -> bytes:
    first, *others = [Image.new("RGB", size, (number * 37 % 256, number * 3 % 256, 0)) for number in range(frames)]
    return encoded(first, form, save_all=True, append_images=others, duration=100, loop=0, **options)


def archive(*names: str) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as file:
        for name in names:
            file.writestr(name, "application/vnd.oasis.opendocument.text" if name == "mimetype" else "x" * 100)
    return written.getvalue()


def form_of(content: Any, name: str | None = "some.png", part: str = "file", media_type: str | None = None) -> Any:
    form = aiohttp.FormData()
    content = io.BytesIO(content) if isinstance(content, bytes) else content
    form.add_field(part, content, filename=name, content_type=media_type)
    return form


async def send(
    api: Api, caller: Caller | None, kind: str, id_: Any, form: Any, *, attribute: str | None = None, **headers: str
) -> Reply:
    """Uploads a form as it is."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if caller is not None:
        sent["Authorization"] = f"Bearer {caller.token}"
    query = {"kind": kind, "id": str(id_), "attribute": attribute or ATTRIBUTES.get(kind, PICTURE)}
    async with api.session.post(f"{api.address}/files", params=query, data=form, headers=sent) as answer:
        return Reply(answer.status, answer.headers, await answer.read())


async def upload(
    api: Api, caller: Caller, kind: str, id_: int, content: bytes, *, name: str = "some.png", **headers: str
) -> Reply:
    return await send(api, caller, kind, id_, form_of(content, name), **headers)


async def uploaded(api: Api, caller: Caller, kind: str, id_: int, content: bytes, *, name: str = "some.png") -> Any:
    """What is told of a file that could be uploaded."""
    reply = await upload(api, caller, kind, id_, content, name=name)
    assert reply.status == 201, reply.raw
    return reply.data


async def content(api: Api, caller: Caller, file_id: int, **headers: str) -> Reply:
    return await api.get(caller, f"/filecontent/{file_id}", **headers)
