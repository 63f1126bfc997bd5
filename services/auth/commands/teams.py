"""Teams begin, change and end; who leaves the organisation leaves them."""

from __future__ import annotations

from services.auth.store import teams as rows
from services.auth.store.teams import Roster, Team
from shared import outbox
from shared.database import Connection
from shared.errors import Conflict

INVALID = "Invalid team data"
NOT_HERE = "Must be people of the organisation who have not left."


class NameTaken(Conflict):
    """A team's name is its own in the organisation, whatever its case."""

    def __init__(self) -> None:
        super().__init__("Another team has this name", fields={"name": "Is taken."})


async def unknown_people(tx: Connection, member_ids: list[int], lead_id: int | None) -> dict[str, str]:
    """Which fields name somebody who is not of the organisation; until the transaction's end the others stay."""
    named = [*member_ids, *([] if lead_id is None else [lead_id])]
    present = await rows.lock_present_people(tx, named)
    wrong: dict[str, str] = {}
    if not present.issuperset(member_ids):
        wrong["member_ids"] = NOT_HERE
    if lead_id is not None and lead_id not in present:
        wrong["lead_id"] = NOT_HERE
    return wrong


async def begin_team(tx: Connection, roster: Roster) -> Team:
    """Raises `NameTaken`."""
    made = await rows.add_team(tx, roster)
    if made is None:
        raise NameTaken
    await outbox.append(tx, made.snapshot())
    return made


async def change_team(tx: Connection, present: Team, roster: Roster) -> Team:
    """Nothing happens when it is so already. Raises `NameTaken`."""
    if roster == present.roster:
        return present
    changed = await rows.change_team(tx, present.id, roster)
    if changed is None:
        raise NameTaken
    await outbox.append(tx, changed.snapshot())
    return changed


async def end_team(tx: Connection, present: Team) -> None:
    await rows.delete_team(tx, present.id)
    await outbox.append(tx, present.snapshot("removed", version=present.version + 1))


async def leave_teams(tx: Connection, user_id: int) -> None:
    """Takes somebody who leaves out of all teams."""
    changed = await rows.take_out(tx, user_id)
    if changed:
        await outbox.append(tx, *(team.snapshot() for team in changed))
