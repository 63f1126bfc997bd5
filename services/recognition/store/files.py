"""Rows of files: containers, entries, contents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

import asyncpg

from shared.contracts.files import FileKind
from shared.database import Connection


class Content(NamedTuple):
    """What was received and is in the store."""

    name: str
    media_type: str
    size: int
    width: int | None
    height: int | None
    sha256: str
    content_key: str


class Entry(NamedTuple):
    """A file in its container."""

    id: int
    container_id: int
    kind: FileKind
    resource_id: int
    attribute: str
    name: str
    media_type: str
    size: int
    width: int | None
    height: int | None
    sha256: str
    content_key: str
    uploaded_by: int
    uploaded_at: datetime


class Container(NamedTuple):
    """What an attribute refers to."""

    id: int
    kind: FileKind
    resource_id: int
    attribute: str


_SEEN = """
CASE held.kind
    WHEN 'recognitions' THEN EXISTS (
        SELECT FROM recognitions AS thanks
        WHERE thanks.org_id = tenant() AND thanks.id = held.resource_id AND thanks.deleted_at IS NULL
            AND ($2 OR NOT thanks.hidden)
    )
    WHEN 'core_values' THEN EXISTS (
        SELECT FROM core_values AS value WHERE value.org_id = tenant() AND value.id = held.resource_id
    )
    ELSE true
END
"""
_COLUMNS = """
file.id, file.container_id, held.kind, held.resource_id, held.attribute, file.name, file.media_type, file.size,
file.width, file.height, file.sha256, file.content_key, file.uploaded_by, file.uploaded_at
"""
_FIND = f"""
SELECT {_COLUMNS} FROM files AS file
JOIN file_containers AS held ON held.org_id = file.org_id AND held.id = file.container_id
WHERE file.org_id = tenant() AND file.id = $1 AND file.removed_at IS NULL AND {_SEEN}
"""  # noqa: S608
_CONTAINER = f"""
SELECT held.id, held.kind, held.resource_id, held.attribute FROM file_containers AS held
WHERE held.org_id = tenant() AND held.id = $1 AND {_SEEN}
"""  # noqa: S608
_ENTRIES = f"""
SELECT {_COLUMNS} FROM files AS file
JOIN file_containers AS held ON held.org_id = file.org_id AND held.id = file.container_id
WHERE file.org_id = tenant() AND file.container_id = $1 AND file.removed_at IS NULL ORDER BY file.id
"""  # noqa: S608
_LOCK = """
INSERT INTO file_containers (kind, resource_id, attribute) VALUES ($1, $2, $3)
ON CONFLICT (org_id, kind, resource_id, attribute) DO UPDATE SET kind = excluded.kind
RETURNING id, kind, resource_id, attribute
"""
_ADD = """
INSERT INTO files (
    container_id, kind, resource_id, name, media_type, size, width, height, sha256, content_key, uploaded_by
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
RETURNING id
"""
_REMOVE = """
UPDATE files SET removed_at = clock_timestamp(), removed_by = $2
WHERE org_id = tenant() AND id = $1 AND removed_at IS NULL RETURNING removed_at
"""
_USE = """
UPDATE file_contents SET unused_since = NULL
WHERE org_id = tenant() AND key = $1 AND unused_since IS NOT NULL RETURNING true
"""
_REFER = """
UPDATE recognitions SET attachments = $2
WHERE org_id = tenant() AND id = $1 AND attachments IS DISTINCT FROM $2
"""


async def find(tx: Connection, file_id: int, *, moderates: bool) -> Entry | None:
    """An entry whose thing the reader may see."""
    row = await tx.fetchrow(_FIND, file_id, moderates)
    return None if row is None else Entry(**dict(row))


async def container(tx: Connection, container_id: int, *, moderates: bool) -> Container | None:
    """A container whose thing the reader may see."""
    row = await tx.fetchrow(_CONTAINER, container_id, moderates)
    return None if row is None else Container(**dict(row))


async def entries(tx: Connection, container_id: int) -> list[Entry]:
    return [Entry(**dict(row)) for row in await tx.fetch(_ENTRIES, container_id)]


async def lock_container(tx: Connection, kind: str, resource_id: int, attribute: str) -> Container:
    """The attribute's container, made where there is none; nobody else changes it until the transaction ends."""
    return Container(**dict(await _row(tx, _LOCK, kind, resource_id, attribute)))


async def add(tx: Connection, held: Container, content: Content, uploaded_by: int) -> int:
    """The new entry's id; raises `LookupError` where the content is not known any more."""
    if not await tx.fetchval(_USE, content.content_key):
        raise LookupError("the content was collected")
    return cast(int, await tx.fetchval(_ADD, held.id, held.kind, held.resource_id, *content, uploaded_by))


async def remove(tx: Connection, file_id: int, removed_by: int) -> datetime | None:
    """When it was removed; None where it was removed before."""
    return cast("datetime | None", await tx.fetchval(_REMOVE, file_id, removed_by))


async def next_change(tx: Connection) -> int:
    """A number greater than those of all changes before. The container is locked, so they come in its order."""
    return cast(int, await tx.fetchval("SELECT nextval('file_changes')"))


async def refer_to_attachments(tx: Connection, recognition_id: int, container_id: int) -> None:
    await tx.execute(_REFER, recognition_id, container_id)


async def announce_content(tx: Connection, key: str) -> None:
    """Says that the store is going to have a content, which nobody uses so far."""
    await tx.execute("INSERT INTO file_contents (key) VALUES ($1)", key)


async def unused_contents(tx: Connection, since: datetime, most: int) -> Sequence[str]:
    """Of all organisations: contents that nobody has used since then."""
    return cast(Sequence[str], await tx.fetchval("SELECT unused_contents($1, $2)", since, most))


async def forget_contents(tx: Connection, keys: Sequence[str]) -> None:
    await tx.execute("SELECT forget_contents($1)", list(keys))


async def is_member(tx: Connection, user_id: int) -> bool:
    query = "SELECT EXISTS (SELECT FROM members WHERE org_id = tenant() AND user_id = $1)"
    return bool(await tx.fetchval(query, user_id))


async def _row(tx: Connection, query: str, *arguments: Any) -> asyncpg.Record:
    return cast(asyncpg.Record, await tx.fetchrow(query, *arguments))
