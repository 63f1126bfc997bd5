"""Files of people, core values and recognitions, as recognition tells of them. Times are epoch seconds."""

from typing import Literal

from shared.contracts.event import Event, event

FileKind = Literal["users", "core_values", "recognitions"]
PICTURE = "profile_image_url"
"""The attribute of a user for their picture."""


@event(publisher="recognition", subject="files/{files_id}")
class FileAttached(Event):
    """A file is in a container; `replaced` was there before in one that takes a single file.

    `version` is greater for whatever became of any container later.
    """

    file_id: int
    files_id: int
    kind: FileKind
    resource_id: int
    attribute: str
    name: str
    media_type: str
    size: int
    url: str
    attached_by: int
    attached_at: int
    replaced: int | None
    version: int


@event(publisher="recognition", subject="files/{files_id}")
class FileRemoved(Event):
    """A file has left its container: somebody removed it. What goes with a recognition or a core value is not told."""

    file_id: int
    files_id: int
    kind: FileKind
    resource_id: int
    attribute: str
    url: str
    removed_by: int
    removed_at: int
    version: int
