"""Decodes a picture and writes it anew: `python pictures.py SOURCE TARGET fitted|whole`, in a process of its own.

Prints `{"media_type", "width", "height"}`, or ends with 3 and a sentence where it is no picture that is taken. What is
written has the pixels of the source and nothing else of it. Imports nothing of Peerly, and may be killed at any moment.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image, ImageFile

MOST_PIXELS = 16_000_000
"""Of all frames together."""
FITTED = (1024, 1024)
CPU_SECONDS = 6
ADDRESS_SPACE = 512 * 2**20
LARGEST_FILE = 128 * 2**20
REFUSED = 3
WRITTEN_AS = {"PNG": "PNG", "JPEG": "JPEG", "MPO": "JPEG", "GIF": "GIF", "WEBP": "WEBP"}
SIXTEEN_BITS = 2**16
_SCALES: dict[str, Callable[[int], int]] = {
    "RGB;16B": lambda value: value >> 8,
    "L;2": lambda value: value * 85,
    "L;4": lambda value: value * 17,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 4},
    "JPEG": {"quality": 88, "comment": b""},
    "GIF": {"comment": b""},
    "WEBP": {"quality": 85, "method": 2},
}


class Refused(Exception):
    """The message is for whoever sent the picture."""


def limit() -> None:
    """What this process may use from here on."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def rewrite(source: Path, target: Path, *, fitted: bool) -> dict[str, Any]:
    """Raises `Refused`, and whatever a decoder raises."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    with Image.open(source, formats=("PNG", "JPEG", "GIF", "WEBP")) as picture:
        written_as = WRITTEN_AS[str(picture.format)]
        frames = int(getattr(picture, "n_frames", 1)) if written_as in {"GIF", "WEBP"} and not fitted else 1
        if picture.width * picture.height * frames > MOST_PIXELS:
            raise Refused(f"A picture has at most {MOST_PIXELS} pixels, all frames together.")
        if frames > 1:
            _write_moving(picture, target, written_as)
            return _told(written_as, picture.size)
        if fitted:
            picture.draft("RGB", FITTED)
        _tell_transparent_colour(picture)
        picture.load()
        ImageOps.exif_transpose(picture, in_place=True)
        shown = _fitted(picture) if fitted else _still(picture, written_as)
        written_as = "PNG" if fitted and written_as == "GIF" else written_as
        shown.info = {name: value for name, value in shown.info.items() if name == "transparency"}
        shown.save(target, written_as, **OPTIONS[written_as])
        return _told(written_as, shown.size)


def _tell_transparent_colour(picture: ImageFile.ImageFile) -> None:
    """PNG tells it in the file's depth; pixels are read in eight bits, but for grey ones of sixteen."""
    scale = _SCALES.get(str(picture.tile[0].args)) if picture.format == "PNG" and picture.tile else None
    colour = picture.info.get("transparency")
    if scale is not None and isinstance(colour, tuple):
        picture.info["transparency"] = tuple(map(scale, colour))
    elif scale is not None and isinstance(colour, int):
        picture.info["transparency"] = scale(colour)


def _in_eight_bits(picture: Image.Image) -> Image.Image:
    """Grey values up to 65,535 as values up to 255: converting alone would take all above 255 for white."""
    from PIL import Image

    if not picture.mode.startswith("I"):
        return picture
    wide, transparent = picture.convert("I"), picture.info.get("transparency")
    grey = wide.point([value // 257 for value in range(SIXTEEN_BITS)], "L")
    if transparent is None:
        return grey
    seen = wide.point([0 if value == transparent else 255 for value in range(SIXTEEN_BITS)], "L")
    return Image.merge("LA", (grey, seen))


def _fitted(whole: Image.Image) -> Image.Image:
    picture = _in_eight_bits(whole)
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    shown = picture if picture.mode == mode else picture.convert(mode)
    shown.thumbnail(FITTED)
    return shown


def _still(picture: Image.Image, written_as: str) -> Image.Image:
    if written_as == "JPEG" and picture.mode not in {"L", "RGB"}:
        return picture.convert("RGB")
    return picture


def _write_moving(picture: Image.Image, target: Path, written_as: str) -> None:
    from PIL import ImageSequence

    durations = [int(frame.info.get("duration", 100)) for frame in ImageSequence.Iterator(picture)]
    picture.seek(0)
    options = OPTIONS[written_as] | {"exif": b"", "xmp": b"", "icc_profile": b""}
    picture.save(
        target, written_as, save_all=True, duration=durations, loop=int(picture.info.get("loop", 0)), **options
    )


def _told(written_as: str, size: tuple[int, int]) -> dict[str, Any]:
    return {"media_type": f"image/{written_as.lower()}", "width": size[0], "height": size[1]}


def main(argv: list[str]) -> int:
    source, target, how = argv
    limit()
    warnings.simplefilter("ignore")
    try:
        told = rewrite(Path(source), Path(target), fitted=how == "fitted")
    except Refused as refused:
        sys.stderr.write(str(refused))
        return REFUSED
    except Exception:  # whatever a decoder raises of hostile bytes: it is no picture
        sys.stderr.write("The picture cannot be decoded.")
        return REFUSED
    sys.stdout.write(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
