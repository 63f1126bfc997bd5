"""What other services' events do here."""

from __future__ import annotations

from services.recognition.commands import allowances, recognitions
from services.recognition.insights import listing
from services.recognition.store import series, teams
from shared import history, members
from shared.contracts.moderation import RecognitionHidden, RecognitionRestored
from shared.contracts.quota import AllowanceAdjusted, QuotaPolicyChanged
from shared.contracts.teams import TeamChanged
from shared.database import Connection
from shared.envelope import Received
from shared.inbox import MissingPrerequisite, arrived
from shared.members import OrganisationEvent, UserEvent
from shared.telemetry import log


async def organisation_told(tx: Connection, received: Received[OrganisationEvent]) -> None:
    before = await series.timezone(tx)
    if await members.keep_organisation(tx, received) and before not in {None, received.event.timezone}:
        await series.look_again(tx)


async def person_told(tx: Connection, received: Received[UserEvent]) -> None:
    person = received.event
    if await members.keep_member(tx, received):
        await listing.keep(tx, person.user_id, listed=person.listed_in_leaderboards)
        await allowances.follow_member(tx, person.user_id, person.version, active=person.active)


async def policy_changed(tx: Connection, received: Received[QuotaPolicyChanged]) -> None:
    await allowances.keep_policy(tx, received.event)


async def allowance_adjusted(tx: Connection, received: Received[AllowanceAdjusted]) -> None:
    await allowances.keep_adjustments(tx, received.event)


async def team_changed(tx: Connection, received: Received[TeamChanged]) -> None:
    await teams.keep_team(tx, received.event)


async def recognition_moderated(tx: Connection, received: Received[RecognitionHidden | RecognitionRestored]) -> None:
    """Strictly in the order of the versions: a hide and a restore that changed places would end in the wrong state."""
    review = received.event
    recognition_id, version = review.recognition_id, review.version
    hide = isinstance(review, RecognitionHidden)
    await history.by(tx, review.reviewed_by)
    match await recognitions.moderate_recognition(tx, recognition_id, version, hide=hide):
        case "applied":
            await arrived(tx, _step(recognition_id, version))
        case "early":
            raise MissingPrerequisite(_step(recognition_id, version - 1))
        case "unknown":
            raise MissingPrerequisite(f"recognition:{recognition_id}", f"recognition {recognition_id} is not here")
        case "lost":
            log("what was reviewed is gone with a restore", recognition=recognition_id, step=version)
        case "known":
            pass


def _step(recognition_id: int, version: int) -> str:
    return f"moderation:{recognition_id}:{version}"
