"""Files join and leave what they belong to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.recognition.commands import core_values
from services.recognition.commands.recognitions import ADMINS, MODERATE
from services.recognition.domain import recognitions as domain
from services.recognition.domain.files import MOST_ATTACHMENTS, Attribute, TooManyFiles, UnknownHolder
from services.recognition.store import core_values as core_value_rows
from services.recognition.store import files as store
from services.recognition.store import recognitions as recognition_rows
from services.recognition.store.files import Container, Content, Entry
from shared import members, outbox
from shared.contracts.files import FileAttached, FileRemoved
from shared.database import Connection
from shared.errors import AccessDenied
from shared.identity import Principal

FIRST_VERSION = 1
"""Of every file: its content never changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What a file is for; `base` is the address under which contents are read."""

    attribute: Attribute
    id: int
    base: str


async def check_holder(tx: Connection, who: Principal, holder: Holder) -> None:
    """Whether somebody may add files to it, which until the transaction ends nobody takes away.

    Raises `AccessDenied`, `UnknownHolder`, `domain.TooLate`.
    """
    match holder.attribute.kind:
        case "users":
            await _check_person(tx, who, holder.id)
        case "core_values":
            _require(who, "update:core_value")
            if holder.id not in await core_value_rows.lock_tree(tx):
                raise UnknownHolder
        case "recognitions":
            _require(who, "update:recognition")
            await _check_giver(tx, who, holder.id)


async def _check_person(tx: Connection, who: Principal, user_id: int) -> None:
    if user_id == who.user_id and not who.is_super_admin:
        _require(who, "update:profile")
        await members.ensure_member(tx, who)
        return
    _require(who, "manage:user")
    if not await store.is_member(tx, user_id):
        raise UnknownHolder


async def _check_giver(tx: Connection, who: Principal, recognition_id: int) -> None:
    standing = await recognition_rows.lock(tx, recognition_id)
    if standing is None or (standing.hidden and not who.may(MODERATE)):
        raise UnknownHolder
    domain.check_own(standing, who.user_id)


def _require(who: Principal, permission: str) -> None:
    if not who.may(permission):
        raise AccessDenied


async def attach_file(tx: Connection, who: Principal, holder: Holder, content: Content) -> Entry:
    """Puts a content that is in the store into the attribute; raises what `check_holder` raises, `TooManyFiles`."""
    await check_holder(tx, who, holder)
    attribute = holder.attribute
    held = await store.lock_container(tx, attribute.kind, holder.id, attribute.name)
    present = await store.entries(tx, held.id)
    if attribute.most == 1:
        for former in present:
            await store.remove(tx, former.id, who.user_id)
    elif len(present) >= MOST_ATTACHMENTS:
        raise TooManyFiles
    file_id = await store.add(tx, held, content, who.user_id)
    entry = next(one for one in await store.entries(tx, held.id) if one.id == file_id)
    await _refer(tx, held, entry, holder.base)
    replaced = present[-1].id if present and attribute.most == 1 else None
    await outbox.append(tx, await _attached(tx, entry, holder.base, replaced))
    return entry


async def _refer(tx: Connection, held: Container, entry: Entry, base: str) -> None:
    """The attribute tells of the file; a person's is auth's, who learns of it by the event."""
    if held.kind == "core_values":
        changes = {"thumbnail": address(base, entry.id)}
        await core_values.change_core_value(tx, held.resource_id, changes, _any_version)
    elif held.kind == "recognitions":
        await store.refer_to_attachments(tx, held.resource_id, held.id)


async def _attached(tx: Connection, entry: Entry, base: str, replaced: int | None) -> FileAttached:
    return FileAttached(
        file_id=entry.id,
        files_id=entry.container_id,
        kind=entry.kind,
        resource_id=entry.resource_id,
        attribute=entry.attribute,
        name=entry.name,
        media_type=entry.media_type,
        size=entry.size,
        url=address(base, entry.id),
        attached_by=entry.uploaded_by,
        attached_at=int(entry.uploaded_at.timestamp()),
        replaced=replaced,
        version=await store.next_change(tx),
    )


async def remove_file(
    tx: Connection, who: Principal, file_id: int, base: str, check_version: Callable[[int], None]
) -> bool:
    """False where there is no such file for them. Raises `AccessDenied`, `TooLate`, what `check_version` raises."""
    entry = await store.find(tx, file_id, moderates=who.may(MODERATE))
    if entry is None:
        return False
    await _check_removing(tx, who, entry)
    check_version(FIRST_VERSION)
    await store.lock_container(tx, entry.kind, entry.resource_id, entry.attribute)
    removed_at = await store.remove(tx, file_id, who.user_id)
    if removed_at is None:
        return False
    await _no_longer_refer(tx, entry, base)
    await outbox.append(
        tx,
        FileRemoved(
            file_id=entry.id,
            files_id=entry.container_id,
            kind=entry.kind,
            resource_id=entry.resource_id,
            attribute=entry.attribute,
            url=address(base, entry.id),
            removed_by=who.user_id,
            removed_at=int(removed_at.timestamp()),
            version=await store.next_change(tx),
        ),
    )
    return True


async def _check_removing(tx: Connection, who: Principal, entry: Entry) -> None:
    match entry.kind:
        case "users":
            own = entry.resource_id == who.user_id and not who.is_super_admin
            _require(who, "update:profile" if own else "manage:user")
        case "core_values":
            _require(who, "update:core_value")
            await core_value_rows.lock_tree(tx)
        case "recognitions":
            if who.role_id in ADMINS and who.may("delete:recognition"):
                await recognition_rows.lock(tx, entry.resource_id)
                return
            _require(who, "update:recognition")
            await _check_giver(tx, who, entry.resource_id)


async def _no_longer_refer(tx: Connection, entry: Entry, base: str) -> None:
    if entry.kind != "core_values":
        return
    value = await core_value_rows.get(tx, entry.resource_id)
    if value is not None and value.thumbnail == address(base, entry.id):
        await core_values.change_core_value(tx, value.id, {"thumbnail": None}, _any_version)


def address(base: str, file_id: int) -> str:
    """Where a content is read."""
    return f"{base}/filecontent/{file_id}"


def _any_version(_: int) -> None:
    return None
