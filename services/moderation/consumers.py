"""What moderation keeps of other services' events, so that it can answer without asking anybody."""

from __future__ import annotations

from services.moderation import store
from shared.contracts import recognition as events
from shared.contracts.value_lists import CUSTOM_REPORT_REASONS, ValueListChanged
from shared.database import Connection
from shared.envelope import Received
from shared.inbox import MissingPrerequisite, arrived


async def recognition_given(tx: Connection, received: Received[events.RecognitionGiven]) -> None:
    await store.add_recognition(tx, received.event)
    await arrived(tx, _key(received.event.recognition_id))


async def recognition_changed(tx: Connection, received: Received[events.RecognitionChanged]) -> None:
    changed = received.event
    if not await store.change_text(tx, changed.recognition_id, changed.text, changed.version):
        raise _missing(changed.recognition_id)


async def recognition_deleted(tx: Connection, received: Received[events.RecognitionDeleted]) -> None:
    deleted = received.event
    if not await store.delete_recognition(tx, deleted.recognition_id, deleted.version):
        raise _missing(deleted.recognition_id)
    await store.withdraw_case(tx, deleted.recognition_id)


async def value_list_changed(tx: Connection, received: Received[ValueListChanged]) -> None:
    changed = received.event
    if changed.name == CUSTOM_REPORT_REASONS:
        await store.keep_report_reasons(tx, changed.values, changed.version)


def _key(recognition_id: int) -> str:
    return f"recognition:{recognition_id}"


def _missing(recognition_id: int) -> MissingPrerequisite:
    return MissingPrerequisite(_key(recognition_id), f"recognition {recognition_id} is not known yet")
