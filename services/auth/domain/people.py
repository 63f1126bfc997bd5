"""A person as auth keeps one, and what others are told of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from services.auth.domain.roles import Standing
from shared.contracts import auth as events
from shared.identity import Role

UserEvent = TypeVar("UserEvent", events.UserJoined, events.UserChanged, events.UserDeactivated, events.UserRestored)


@dataclass(frozen=True, slots=True)
class Person:
    """One row of users; not `is_present` once deleted."""

    id: int
    org_id: int
    email: str
    first_name: str
    last_name: str
    display_name: str
    profile_image_url: str | None
    phone: str | None
    department: str | None
    role: Role
    google_subject: str | None
    generation: int
    version: int
    is_present: bool
    listed_in_leaderboards: bool = True

    @property
    def standing(self) -> Standing:
        return Standing(self.role, self.is_present)

    def snapshot(self, kind: type[UserEvent]) -> UserEvent:
        """The event that tells the present state."""
        return kind(
            user_id=self.id,
            email=self.email,
            first_name=self.first_name,
            last_name=self.last_name,
            display_name=self.display_name,
            profile_image_url=self.profile_image_url,
            role_id=int(self.role),
            active=self.is_present,
            generation=self.generation,
            version=self.version,
            listed_in_leaderboards=self.listed_in_leaderboards,
        )
