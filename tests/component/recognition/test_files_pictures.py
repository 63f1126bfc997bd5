"""TM-10: a picture is decoded and written anew, by a process that may break."""

from __future__ import annotations

import asyncio
import io
import zlib
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from services.recognition import pictures, rewriting
from tests.component.recognition.filing import content, encoded, moving, picture, upload, uploaded
from tests.component.recognition.world import ANNA, BEN, Api

PLACE = "52.5200N 13.4050E"
DESCRIPTION, ORIENTATION, TURNED = 0x010E, 0x0112, 6


@pytest.fixture
async def given(api: Api) -> int:
    return await api.given(ANNA, BEN, await api.new_value())


def telling() -> dict[str, Any]:
    """Each form's picture with words in every place that it has for them."""
    exif = Image.Exif()
    exif[DESCRIPTION], exif[ORIENTATION] = PLACE, TURNED
    profile = bytes(128) + PLACE.encode()
    words = PngInfo()
    words.add_text("Comment", PLACE)
    words.add_itxt("XML:com.adobe.xmp", PLACE)
    said = PLACE.encode()
    return {
        "jpeg": picture("JPEG", exif=exif, comment=said, icc_profile=profile),
        "png": picture("PNG", exif=exif, pnginfo=words, icc_profile=profile),
        "webp": picture("WEBP", exif=exif, xmp=said, icc_profile=profile),
        "gif": picture("GIF", comment=said),
        "moving gif": moving("GIF", comment=said),
        "moving webp": moving("WEBP", exif=exif, xmp=said),
        "jpeg with a tail": picture("JPEG") + said,
        "png with a tail": picture("PNG") + said,
    }


@pytest.mark.parametrize("kind", ["recognitions", "users"])
async def test_tm10_nothing_but_the_pixels_stays(api: Api, given: int, kind: str) -> None:
    for name, sent in telling().items():
        assert PLACE.encode() in sent
        made = await uploaded(api, ANNA, kind, given if kind == "recognitions" else ANNA.user_id, sent)
        await look_at(api, made, name, moves=name.startswith("moving") and kind == "recognitions")


async def look_at(api: Api, made: Any, name: str, *, moves: bool) -> None:
    read = (await content(api, BEN, made["file_id"])).raw
    assert PLACE.encode() not in read
    with Image.open(io.BytesIO(read)) as shown:
        assert not shown.getexif()
        assert shown.size == (made["width"], made["height"])
        if name in {"jpeg", "png", "webp"}:
            assert shown.size == (40, 60), "turned as its camera said"
        assert getattr(shown, "n_frames", 1) == (4 if moves else 1)


async def test_tm10_a_persons_picture_is_made_to_fit(api: Api) -> None:
    made = await uploaded(api, ANNA, "users", ANNA.user_id, picture("JPEG", (3000, 1500)))
    assert (made["width"], made["height"], made["media_type"]) == (1024, 512, "image/jpeg")
    small = await uploaded(api, ANNA, "users", ANNA.user_id, picture("PNG", (30, 20)))
    assert (small["width"], small["height"]) == (30, 20)


async def test_tm10_transparency_stays(api: Api, given: int) -> None:
    for sent in (
        encoded(Image.new("RGBA", (20, 20), (9, 9, 9, 0)), "PNG"),
        encoded(Image.new("LA", (20, 20), (9, 0)), "PNG"),
        encoded(Image.new("P", (20, 20), 0), "GIF", transparency=0),
    ):
        for kind, id_ in (("recognitions", given), ("users", ANNA.user_id)):
            made = await uploaded(api, ANNA, kind, id_, sent)
            with Image.open(io.BytesIO((await content(api, BEN, made["file_id"])).raw)) as shown:
                assert shown.convert("RGBA").getpixel((3, 3))[3] == 0  # type: ignore[index]


async def test_tm10_all_modes_of_pictures_are_taken(api: Api, given: int) -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK", "YCbCr"):
        form = "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"
        sent = encoded(Image.new(mode, (20, 20)), form)
        for kind, id_ in (("recognitions", given), ("users", ANNA.user_id)):
            assert (await upload(api, ANNA, kind, id_, sent)).status == 201, mode


def bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that says it is as wide and high as this; its rows are really there as long as cheap."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    head = side.to_bytes(4, "big") * 2 + b"\x08\x02\x00\x00\x00"
    rows = zlib.compress(bytes(1_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def many_frames() -> bytes:
    """A GIF of which each frame is small and all together are too much."""
    return moving("GIF", frames=70, size=(500, 500))


HOSTILE = {
    "twice the pixels": bomb(5_700), "a bomb": bomb(60_000), "a huge one": bomb(2**31 - 1), "frames": many_frames(),
    "cut": picture(size=(200, 200))[:5000], "turned bits": picture()[:60] + b"\xff" * 400,
    "no pixels": b"\x89PNG\r\n\x1a\n" + bytes(200), "jpeg head": b"\xff\xd8\xff\xe0" + bytes(500),
}  # fmt: skip


async def test_tm10_s47_what_cannot_be_a_picture_is_415(api: Api, given: int) -> None:
    for name, sent in HOSTILE.items():
        assert (await upload(api, ANNA, "recognitions", given, sent)).code == (415, "unsupported_media_type"), name
    assert (await upload(api, ANNA, "users", ANNA.user_id, picture())).status == 201


async def test_tm10_s47_a_process_that_takes_too_long_or_dies_is_a_refusal(
    api: Api, given: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    program = tmp_path / "program.py"
    monkeypatch.setattr(rewriting, "PROGRAM", program)
    monkeypatch.setattr(rewriting, "SECONDS", 0.5)
    for text in ("import time; time.sleep(60)", "import os; os.abort()", "while True: pass"):
        program.write_text(text)
        answer = await upload(api, ANNA, "recognitions", given, picture())
        assert answer.code == (415, "unsupported_media_type")


def test_tm10_s47_the_process_limits_itself() -> None:
    limits = (pictures.CPU_SECONDS, pictures.ADDRESS_SPACE, pictures.MOST_PIXELS)
    assert limits <= (6, 512 * 2**20, 16_000_000)


async def test_tm10_pictures_come_one_after_the_other(api: Api) -> None:
    replies = await asyncio.gather(*(upload(api, who, "users", who.user_id, picture()) for who in (ANNA, BEN) * 2))
    assert [reply.status for reply in replies] == [201] * 4
