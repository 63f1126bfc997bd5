"""Documents that are ZIP archives, told apart by the names of their entries; nothing is decompressed."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from services.recognition.domain.files import DOCUMENTS, OFFICE, OPEN_DOCUMENT

SIGNATURE = b"PK\x03\x04"
MOST_ENTRIES = 10_000
_END, _ENTRY = struct.Struct("<4s6xHIIH"), struct.Struct("<4s24xHHH12x")
"""The end of the directory (entries, bytes, where it begins, comment), and an entry (its name, two more fields)."""
_END_SIGNATURE, _ENTRY_SIGNATURE = b"PK\x05\x06", b"PK\x01\x02"
_LONGEST_COMMENT = 2**16 - 1
_FIRST_NAME, _FIRST_CONTENT = slice(30, 38), 38
_OFFICE_PARTS = {
    f"{OFFICE}wordprocessingml.document": re.compile(r"word/document[0-9]*\.xml"),
    f"{OFFICE}spreadsheetml.sheet": re.compile(r"xl/workbook[0-9]*\.xml"),
    f"{OFFICE}presentationml.presentation": re.compile(r"ppt/presentation[0-9]*\.xml"),
}


class _Unreadable(Exception):
    """There is no directory of a single archive, or it is too long."""


def document_type(path: Path) -> str | None:
    """The media type of a document, in whatever order its entries are; None for other archives."""
    with path.open("rb") as file:
        try:
            names = {name.casefold() for name in _names(file)}
        except _Unreadable:
            return None
        file.seek(0)
        return _office_type(names) or _open_document_type(names, file.read(_FIRST_CONTENT + 100))


def _office_type(names: set[str]) -> str | None:
    """By its main part, of which there is one."""
    if "[content_types].xml" not in names:
        return None
    found = [kind for kind, part in _OFFICE_PARTS.items() for name in names if part.fullmatch(name)]
    return found[0] if len(found) == 1 else None


def _open_document_type(names: set[str], head: bytes) -> str | None:
    """By its first entry, which is not compressed and ends where the next begins."""
    if head[_FIRST_NAME] != b"mimetype" or "content.xml" not in names:
        return None
    kinds = [kind for kind in DOCUMENTS if kind.startswith(OPEN_DOCUMENT)]
    return next((kind for kind in kinds if head.startswith(kind.encode() + b"PK", _FIRST_CONTENT)), None)


def _names(file: BinaryIO) -> Iterator[str]:
    """Those in the archive's directory. Raises `_Unreadable`."""
    entries, begins, ends = _directory(file)
    if entries > MOST_ENTRIES:
        raise _Unreadable
    file.seek(begins)
    for _ in range(entries):
        head = file.read(_ENTRY.size)
        if len(head) < _ENTRY.size:
            raise _Unreadable
        signature, name, *others = _ENTRY.unpack(head)
        if signature != _ENTRY_SIGNATURE:
            raise _Unreadable
        yield file.read(name).decode("utf-8", "replace")
        file.seek(sum(others), 1)
    if file.tell() != ends:
        raise _Unreadable


def _directory(file: BinaryIO) -> tuple[int, int, int]:
    """How many entries it has, where it begins, and where it ends. Raises `_Unreadable`."""
    size = file.seek(0, 2)
    start = max(0, size - _END.size - _LONGEST_COMMENT)
    file.seek(start)
    tail = file.read()
    place = tail.rfind(_END_SIGNATURE)
    if place < 0 or len(tail) - place < _END.size:
        raise _Unreadable
    _, entries, length, begins, comment = _END.unpack_from(tail, place)
    ends = start + place
    if ends + _END.size + comment != size or begins + length != ends:
        raise _Unreadable
    return entries, begins, ends
