"""TM-10: a picture is decoded and written anew, by a process that may break."""

from __future__ import annotations

import asyncio
import io
import zlib
from typing import Any, cast

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from services.recognition.files import pictures, rewriting
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


SHADES = {
    "grey of 16 bits": (("00" + "0000" + "4000" + "8000" + "ffff", 16, 0), [0, 63, 127, 255]),
    "grey of 4 bits": (("00" + "05af", 4, 0), [0, 85, 170, 255]),
    "grey of 2 bits": (("00" + "1b", 2, 0), [0, 85, 170, 255]),
    "grey of 1 bit": (("00" + "50", 1, 0), [0, 255, 0, 255]),
    "colours of 16 bits": (("00" + "0000" * 3 + "4000" * 3 + "8000" * 3 + "ffff" * 3, 16, 2), [0, 64, 128, 255]),
    "grey and alpha of 16 bits": (
        ("00" + "0000ffff" + "4000ffff" + "8000ffff" + "ffffffff", 16, 4), [0, 64, 128, 255]
    ),
}  # fmt: skip
KEYED = {
    "grey of 16 bits": ("00" + "0000" + "8001" + "8000" + "ffff", 16, 0, "8000"),
    "grey of 4 bits": ("00" + "0a5f", 4, 0, "0005"),
    "grey of 2 bits": ("00" + "27", 2, 0, "0001"),
    "colours of 16 bits": ("00" + "0000" * 3 + "8001" * 3 + "1200" * 3 + "ffff" * 3, 16, 2, "1200" * 3),
}


async def shown(api: Api, kind: str, id_: int, sent: bytes) -> list[Any]:
    """The pixels of what was kept of a picture, with red, green, blue and alpha."""
    made = await uploaded(api, ANNA, kind, id_, sent)
    with Image.open(io.BytesIO((await content(api, BEN, made["file_id"])).raw)) as kept:
        if kept.mode == "I;16":
            clear, values = kept.info.get("transparency"), cast("tuple[int, ...]", kept.get_flattened_data())
            return [(*[value // 257] * 3, 255 * (value != clear)) for value in values]
        pixels = kept.convert("RGBA")
        return [pixels.getpixel((column, 0)) for column in range(kept.width)]


@pytest.mark.parametrize("name", SHADES)
async def test_tm10_shades_stay_as_they_are_in_any_depth(api: Api, given: int, name: str) -> None:
    (rows, depth, colours), greys = SHADES[name]
    sent = png(4, 1, bytes.fromhex(rows), depth=depth, colours=colours)
    for kind, id_ in (("recognitions", given), ("users", ANNA.user_id)):
        assert await shown(api, kind, id_, sent) == [(grey, grey, grey, 255) for grey in greys]


@pytest.mark.parametrize("name", KEYED)
async def test_tm10_one_transparent_colour_stays_the_only_one(api: Api, given: int, name: str) -> None:
    rows, depth, colours, transparent = KEYED[name]
    sent = png(4, 1, bytes.fromhex(rows), depth=depth, colours=colours, transparent=transparent)
    for kind, id_ in (("recognitions", given), ("users", ANNA.user_id)):
        assert [pixel[3] for pixel in await shown(api, kind, id_, sent)] == [255, 255, 0, 255]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "P", "PA"])
async def test_tm10_black_and_white_stay_apart(api: Api, given: int, mode: str) -> None:
    form = {"CMYK": "JPEG", "PA": "WEBP"}.get(mode, "PNG")
    halves = Image.new("L", (32, 8), 255)
    halves.paste(0, (0, 0, 16, 8))
    sent = encoded(halves.convert("RGB").convert(mode), form)
    for kind, id_ in (("recognitions", given), ("users", ANNA.user_id)):
        pixels = await shown(api, kind, id_, sent)
        assert max(pixels[2][:3]) < 10, mode
        assert min(pixels[29][:3]) > 245, mode


async def test_tm10_all_modes_of_pictures_are_taken(api: Api, given: int) -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK", "YCbCr"):
        form = "JPEG" if mode in {"CMYK", "YCbCr"} else "PNG"
        sent = encoded(Image.new(mode, (20, 20)), form)
        for kind, id_ in (("recognitions", given), ("users", ANNA.user_id)):
            assert (await upload(api, ANNA, kind, id_, sent)).status == 201, mode


def chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def png(width: int, height: int, rows: bytes, *, depth: int = 8, colours: int = 2, transparent: str = "") -> bytes:
    """A PNG from its parts; `colours` is 0 for grey, 2 for RGB and 4 for grey with alpha."""
    head = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([depth, colours, 0, 0, 0])
    key = chunk(b"tRNS", bytes.fromhex(transparent)) if transparent else b""
    rest = key + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + rest


def bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that says it is as wide and high as this; its rows are really there as long as cheap."""
    return png(side, side, bytes(1_000_000))


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
