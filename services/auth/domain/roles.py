"""Who may give which role to whom."""

from __future__ import annotations

from dataclasses import dataclass

from shared.errors import AccessDenied, Conflict
from shared.identity import Role

LAST_ADMIN = "The last admin of an organisation keeps the role; make somebody else an admin first"
BELONGS_NOWHERE = "A super admin belongs to no organisation and cannot take a role in one; remove the account instead"


@dataclass(frozen=True, slots=True)
class Standing:
    """What counts of a person for a change of role or state."""

    role: Role
    is_present: bool


def admin_role_of(role: Role) -> Role:
    """The role that leads where this person belongs: the installation or an organisation."""
    return Role.SUPER_ADMIN if role is Role.SUPER_ADMIN else Role.ORGANISATION_ADMIN


def check_grant(granter: Role, wanted: Role) -> None:
    """Raises `AccessDenied`: only a super admin makes super admins."""
    if wanted is Role.SUPER_ADMIN and granter is not Role.SUPER_ADMIN:
        raise AccessDenied


def check_change(person: Standing, wanted: Role, other_admins: int) -> None:
    """Raises `Conflict` when the change leaves nobody in charge, or a super admin should join an organisation."""
    if person.role is Role.SUPER_ADMIN and wanted is not Role.SUPER_ADMIN:
        raise Conflict(BELONGS_NOWHERE)
    if person.role is not wanted:
        check_leaving(person, other_admins)


def check_leaving(person: Standing, other_admins: int) -> None:
    """Raises `Conflict` when an organisation's last admin would leave the office."""
    if person.is_present and person.role in (Role.ORGANISATION_ADMIN, Role.SUPER_ADMIN) and other_admins == 0:
        raise Conflict(LAST_ADMIN)
