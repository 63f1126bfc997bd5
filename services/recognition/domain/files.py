"""Which attributes have files, and what each of them takes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.contracts.files import PICTURE, FileKind
from shared.errors import Conflict, InvalidData, UnsupportedMediaType

INVALID_FILE = "Invalid file data"
LARGEST = 10 * 2**20
MOST_ATTACHMENTS = 10
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
OFFICE = "application/vnd.openxmlformats-officedocument."
OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
DOCUMENTS = frozenset(
    {
        "application/pdf",
        f"{OFFICE}wordprocessingml.document",
        f"{OFFICE}spreadsheetml.sheet",
        f"{OFFICE}presentationml.presentation",
        f"{OPEN_DOCUMENT}text",
        f"{OPEN_DOCUMENT}spreadsheet",
        f"{OPEN_DOCUMENT}presentation",
    }
)


class TooManyFiles(Conflict):
    message = f"There are {MOST_ATTACHMENTS} attachments already; remove one first"


class WrongContent(UnsupportedMediaType):
    """Content that does not fit the attribute."""

    message = "The file's content does not fit this attribute"


class UnknownHolder(InvalidData):
    """No such person, core value or recognition as far as the caller may know."""

    def __init__(self) -> None:
        super().__init__(INVALID_FILE, fields={"id": "There is none with this id."})


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """An attribute that refers to a container; pictures of one that is `fitted` are made small."""

    kind: FileKind
    name: str
    takes: frozenset[str]
    most: int
    fitted: bool
    view: str
    """The scope that shows the thing."""


_ALL = (
    Attribute(kind="users", name=PICTURE, takes=PICTURES, most=1, fitted=True, view="view:user"),
    Attribute(kind="core_values", name="thumbnail", takes=PICTURES, most=1, fitted=True, view="view:core_value"),
    Attribute(
        kind="recognitions",
        name="attachments",
        takes=PICTURES | DOCUMENTS,
        most=MOST_ATTACHMENTS,
        fitted=False,
        view="view:recognition",
    ),
)
ATTRIBUTES: Mapping[str, Attribute] = {one.kind: one for one in _ALL}
"""The attribute of each kind: there is one."""


def attribute_of(kind: str, name: str) -> Attribute:
    """Raises `InvalidData` for an attribute of another kind."""
    found = ATTRIBUTES[kind]
    if found.name != name:
        raise InvalidData(INVALID_FILE, fields={"attribute": f"Of {kind}: {found.name}."})
    return found


def check_type(attribute: Attribute, media_type: str | None) -> str:
    """Raises `WrongContent`."""
    if media_type not in attribute.takes:
        kinds = "PNG, JPEG, GIF and WebP pictures"
        if attribute.takes > PICTURES:
            kinds += ", PDF, and documents (docx, xlsx, pptx, odt, ods, odp)"
        raise WrongContent(f"This attribute takes {kinds}; the content is none of these")
    return media_type
