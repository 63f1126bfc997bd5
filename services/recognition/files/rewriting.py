"""Pictures are decoded and written anew by a process that has nothing to lose: see `pictures.py`."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from services.recognition.domain.files import PICTURES, WrongContent
from services.recognition.files import pictures
from shared.errors import Unavailable

PROGRAM = Path(pictures.__file__)
SECONDS = 8.0
"""For all of it, whatever else the machine does; the gateway waits ten."""
WAITING_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it was written anew."""

    path: Path
    media_type: str
    width: int
    height: int
    size: int
    sha256: str


class Rewriter:
    """One picture at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def rewrite(self, source: Path, *, fitted: bool) -> Picture:
        """Raises `WrongContent`, `Unavailable`."""
        target = source.with_name("rewritten")
        try:
            async with asyncio.timeout(WAITING_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise Unavailable("Too many pictures at once; try again in a moment") from None
        try:
            told = await _run(source, target, "fitted" if fitted else "whole")
        finally:
            self._turn.release()
        with target.open("rb") as file:
            digest = await asyncio.to_thread(hashlib.file_digest, file, "sha256")
        return Picture(target, *_checked(told), size=target.stat().st_size, sha256=digest.hexdigest())


def _checked(told: bytes) -> tuple[str, int, int]:
    """What the process says is looked at like anything from outside."""
    made = json.loads(told)
    if made["media_type"] not in PICTURES:
        raise WrongContent
    return made["media_type"], int(made["width"]), int(made["height"])


async def _run(source: Path, target: Path, how: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(PROGRAM), str(source), str(target), how,
        env={}, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            told, said = await process.communicate()
    except TimeoutError:
        raise WrongContent("The picture takes too long to be decoded") from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    if process.returncode == pictures.REFUSED:
        raise WrongContent(said.decode(errors="replace")[:200])
    if process.returncode != 0:
        raise WrongContent("The picture cannot be decoded with what one picture may use")
    return told
