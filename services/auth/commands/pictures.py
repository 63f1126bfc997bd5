"""The picture of a profile follows the file that was uploaded for it."""

from __future__ import annotations

from services.auth.commands.people import change_picture
from services.auth.store.people import find_person
from services.auth.store.pictures import Word, newest_word, note_word
from shared import history
from shared.contracts.files import PICTURE, FileAttached, FileRemoved
from shared.database import Connection


async def show_picture(tx: Connection, attached: FileAttached) -> None:
    """The profile shows the file from now on."""
    if attached.attribute == PICTURE:
        await _follow(tx, attached.resource_id, Word(attached.version, attached.url), attached.attached_by)


async def forget_picture(tx: Connection, removed: FileRemoved) -> None:
    """The profile shows no picture; but an address that was set by hand stays."""
    if removed.attribute == PICTURE:
        await _follow(tx, removed.resource_id, Word(removed.version, None), removed.removed_by)


async def _follow(tx: Connection, user_id: int, word: Word, by: int) -> None:
    person = await find_person(tx, user_id, locked=True)
    before = await newest_word(tx, user_id)
    if person is None or word.version <= before.version:
        return
    await note_word(tx, user_id, word)
    if word.url is not None or person.profile_image_url == before.url:
        await history.by(tx, by)
        await change_picture(tx, person, word.url)
