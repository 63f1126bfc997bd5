"""The last months of the demo organisation: what was thanked for, applauded and complained about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from services.demo.content import COLLEAGUES, MODERATOR, VALUES, Colleague
from services.demo.organisation import Cast
from services.demo.stage import Stage
from services.demo.story import Applause, Story, Thanks
from services.moderation.commands import Report, Review, report_recognition, review_recognition
from services.moderation.domain import UnknownRecognition
from services.recognition.commands import allowances, imports
from services.recognition.commands.imports import OldCoreValue
from services.recognition.commands.recognitions import import_recognitions
from services.recognition.domain import recognitions as domain
from services.recognition.store.allowances import Hi5Request
from services.recognition.store.imports import Colleague as Member
from services.recognition.store.imports import ids_of
from services.recognition.store.recognitions import Imported
from shared.errors import InsufficientBalance, Unprocessable
from shared.identity import Principal

REQUEST_ID = "demo"
ANSWERED_ALREADY = (domain.AlreadyGiven, domain.UnknownRecognition, InsufficientBalance)
"""What an earlier run has done, or has had hidden, or what somebody has spent since."""


@dataclass(frozen=True, slots=True)
class Written:
    """Ids of core values by text and of recognitions by the key of the thanks."""

    core_values: Mapping[str, int]
    recognitions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why somebody reports thanks, and what the moderator makes of it, if anything yet."""

    mark_as: str
    reason: str
    reporters: int
    is_inappropriate: bool | None
    comment: str | None


COMPLAINTS = (
    Complaint("not_relevant", "This is no thanks, it is a slap.", 2, True, "Not how we talk to each other."),
    Complaint("not_relevant", "Funny, but this is not what recognitions are for.", 1, None, None),
    Complaint("incorrect", "There were three of us on that release.", 1, False, "The other two have been thanked too."),
)
"""For the reported thanks, in their order."""


async def write_thanks(stage: Stage, cast: Cast, story: Story) -> Written:
    """Core values and recognitions as an import brings them in: at their time, and free."""
    async with stage.recognition.transaction(cast.org_id) as tx:
        wanted = [OldCoreValue(text=one.text, description=one.description, parent=one.parent) for one in VALUES]
        await imports.import_core_values(tx, wanted)
        values = await imports.hold_core_values(tx, [one.text for one in VALUES])
        await imports.ensure_members(tx, [Member(one.user_id, one.role_id, True) for one in cast.people.values()])
        await import_recognitions(tx, [_imported(one, cast.people, values) for one in story.thanks])
        written = Written(values, await ids_of(tx, [one.key for one in story.thanks]))
    stage.wake()
    return written


def _imported(one: Thanks, people: Mapping[Colleague, Principal], values: Mapping[str, int]) -> Imported:
    return Imported(
        external_id=one.key,
        given_by=people[one.given_by].user_id,
        given_for=people[one.given_for].user_id,
        core_value_id=values[one.core_value],
        text=one.text,
        given_at=one.given_at,
    )


async def applaud(stage: Stage, cast: Cast, written: Written, applause: Sequence[Applause]) -> None:
    """Real hi5s of the running period. Raises `TimeoutError` when quota's policy does not arrive."""
    for clapping in dict.fromkeys(one.given_by for one in applause):
        await _open_allowance(stage, cast.people[clapping])
    for one in applause:
        giver = cast.people[one.given_by]
        praised = written.recognitions[one.thanks.key]
        request = Hi5Request(cast.org_id, REQUEST_ID, giver.user_id, giver.role_id, praised, one.comment)
        with suppress(*ANSWERED_ALREADY):
            await allowances.give_hi5(stage.recognition, request, None)
    stage.wake()


async def _open_allowance(stage: Stage, giver: Principal) -> None:
    async def attempt() -> bool | None:
        async with stage.recognition.transaction(giver.org_id, request_id=REQUEST_ID) as tx:
            return await allowances.open_allowance(tx, giver) or None

    await stage.once_known(attempt)


async def complain(stage: Stage, cast: Cast, written: Written, reported: Sequence[Thanks]) -> None:
    """Reports and reviews. Raises `TimeoutError` when moderation does not hear of a recognition."""
    for thanks, complaint in zip(reported, COMPLAINTS, strict=True):
        recognition_id = written.recognitions[thanks.key]
        bystanders = [one for one in COLLEAGUES if one not in (thanks.given_by, thanks.given_for, MODERATOR)]
        for reporter in bystanders[-complaint.reporters :]:
            await _report(stage, cast.people[reporter], recognition_id, complaint)
        await _review(stage, cast.people[MODERATOR], recognition_id, complaint)
    stage.wake()


async def _report(stage: Stage, reporter: Principal, recognition_id: int, complaint: Complaint) -> None:
    report = Report(recognition_id=recognition_id, mark_as=complaint.mark_as, reason=complaint.reason)

    async def attempt() -> bool | None:
        try:
            async with stage.moderation.transaction(reporter.org_id, request_id=REQUEST_ID) as tx:
                await report_recognition(tx, reporter, report)
        except UnknownRecognition:
            return None
        return True

    with suppress(Unprocessable):
        await stage.once_known(attempt)


async def _review(stage: Stage, moderator: Principal, recognition_id: int, complaint: Complaint) -> None:
    if complaint.is_inappropriate is None:
        return
    review = Review(
        recognition_id=recognition_id, is_inappropriate=complaint.is_inappropriate, comment=complaint.comment
    )
    async with stage.moderation.transaction(moderator.org_id, request_id=REQUEST_ID) as tx:
        await review_recognition(tx, moderator, review)
