"""Fills the demo organisation, step by step; what a killed run has left out the next one adds."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from services.demo import content, months
from services.demo.content import COLLEAGUES, EMPLOYEE
from services.demo.organisation import Account, gather, open_accounts
from services.demo.stage import Stage
from services.demo.story import tell
from shared.service import Running
from shared.telemetry import log

PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Demo:
    """What somebody needs to try it: two accounts, and ids that the employee can thank for and applaud."""

    organisation_id: int
    organisation_name: str
    people: int
    admin: Account
    employee: Account
    colleague_id: int
    core_value_id: int
    recognition_id: int


async def fill(running: Sequence[Running]) -> Demo | None:
    """Fills the demo organisation through services that run in this process; None when it is there already."""
    contexts = [one.context for one in running]

    def wake() -> None:
        for context in contexts:
            context.wake()

    databases = {context.service: context.database for context in contexts}
    return await fill_stage(Stage(databases, wake, contexts[0].clock, PATIENCE_SECONDS))


async def fill_stage(stage: Stage) -> Demo | None:
    """As `fill`, wherever the relays and consumers are; None also while another one fills it."""
    async with stage.alone() as alone:
        return await _fill(stage) if alone else None


async def _fill(stage: Stage) -> Demo | None:
    cast = await gather(stage)
    if cast is None:
        return None
    stage.wake()
    story = tell(stage.clock())
    written = await months.write_thanks(stage, cast, story)
    try:
        await months.applaud(stage, cast, written, story.applause)
        await months.complain(stage, cast, written, story.reported)
    except TimeoutError:
        log("the demo has fewer hi5s or reports: the services' events do not arrive", level=logging.WARNING)
    accounts = await open_accounts(stage, cast)
    return Demo(
        organisation_id=cast.org_id,
        organisation_name=content.ORGANISATION,
        people=len(COLLEAGUES),
        admin=accounts.admin,
        employee=accounts.employee,
        colleague_id=cast.people[content.MODERATOR].user_id,
        core_value_id=written.core_values[content.VALUES[0].text],
        recognition_id=written.recognitions[story.untouched_by(EMPLOYEE).key],
    )
