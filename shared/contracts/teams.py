"""Teams of an organisation, as auth tells of them."""

from typing import Literal

from shared.contracts.event import Event, event

TeamState = Literal["kept", "removed"]


@event(publisher="auth", subject="team/{team_id}")
class TeamChanged(Event):
    """Who is in a team; after `removed` it is none. The higher `version` stands."""

    team_id: int
    name: str
    member_ids: tuple[int, ...]
    lead_id: int | None
    state: TeamState
    version: int
