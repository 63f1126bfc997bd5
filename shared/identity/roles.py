"""The one table of permissions: what each opens, and which roles hold it. It is also the list of API scopes."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

PUBLIC = "public"
"""A route that needs no token."""
AUTHENTICATED = "authenticated"
"""A route that any valid token opens; no scope is needed."""


class Role(IntEnum):
    """The roles with the ids that clients know."""

    SUPER_ADMIN = 1
    ORGANISATION_ADMIN = 2
    EMPLOYEE = 3
    MODERATOR = 4


@dataclass(frozen=True, slots=True)
class Permission:
    """What a permission opens, in a sentence for people, and the roles that hold it."""

    description: str
    roles: frozenset[Role]


_EVERYBODY = frozenset(Role)
_MEMBERS = _EVERYBODY - {Role.SUPER_ADMIN}
"""A super admin is nobody's colleague: no recognitions, no hi5s."""
_INSTALLATION = frozenset({Role.SUPER_ADMIN})
_ADMINS = _INSTALLATION | {Role.ORGANISATION_ADMIN}
_MODERATORS = _ADMINS | {Role.MODERATOR}

TABLE: Mapping[str, Permission] = {
    "view:core_value": Permission("See the core values.", _EVERYBODY),
    "create:core_value": Permission("Add core values.", _ADMINS),
    "update:core_value": Permission("Change core values.", _ADMINS),
    "delete:core_value": Permission("Remove core values that nothing uses.", _ADMINS),
    "view:user": Permission("See the organisation's people.", _EVERYBODY),
    "manage:user": Permission("See, remove and restore any of the organisation's people; change roles.", _ADMINS),
    "view:profile": Permission("See one's own profile.", _EVERYBODY),
    "update:profile": Permission("Change one's own names and picture.", _EVERYBODY),
    "view:organisation": Permission("See one's organisation.", _EVERYBODY),
    "update:organisation": Permission("Change the organisation's record and settings.", _ADMINS),
    "manage:organisation": Permission("Begin organisations and see all of the installation.", _INSTALLATION),
    "view:team": Permission("See the organisation's teams.", _EVERYBODY),
    "manage:team": Permission("Begin, change and end teams.", _ADMINS),
    "view:value_list": Permission("See the organisation's value lists.", _EVERYBODY),
    "manage:value_list": Permission("Make, change and remove value lists.", _ADMINS),
    "manage:maintenance": Permission("Plan, move and remove maintenance windows.", _INSTALLATION),
    "view:recognition": Permission("See recognitions, their hi5s and the feed.", _EVERYBODY),
    "create:recognition": Permission("Thank a colleague.", _MEMBERS),
    "update:recognition": Permission("Change what one said, while it is fresh.", _MEMBERS),
    "delete:recognition": Permission(
        "Take back what one said, while it is fresh; as an admin, anybody's at any time.", _EVERYBODY
    ),
    "create:hi5": Permission("Give hi5s.", _MEMBERS),
    "report:recognition": Permission("Report a recognition to the moderators.", _EVERYBODY),
    "review:recognition": Permission("See cases, and hide or restore what was reported.", _MODERATORS),
    "view:campaign": Permission("See the organisation's campaigns.", _EVERYBODY),
    "manage:campaign": Permission("Begin, change and remove campaigns.", _ADMINS),
    "view:recognition_series": Permission("See series of recognitions and what became of them.", _EVERYBODY),
    "create:recognition_series": Permission("Begin series of recognitions that one gives.", _MEMBERS),
    "update:recognition_series": Permission("Change one's own series of recognitions.", _MEMBERS),
    "delete:recognition_series": Permission(
        "End one's own series of recognitions; as an admin, anybody's.", _EVERYBODY
    ),
    "view:insight": Permission("See leaderboards, thermometers and summaries, and search recognitions.", _EVERYBODY),
    "view:file": Permission("Read the files of what one may see.", _EVERYBODY),
    "create:file": Permission("Add files to what one may change.", _EVERYBODY),
    "delete:file": Permission("Remove files from what one may change.", _EVERYBODY),
    "export:recognition": Permission("Export all recognitions.", _ADMINS),
    "view:quota": Permission("See one's own balance and ledger.", _EVERYBODY),
    "manage:quota": Permission("See anybody's balance and adjust it.", _ADMINS),
    "view:proof": Permission("See whether the books add up.", _ADMINS),
    "view:history": Permission("See who changed what, and when.", _ADMINS),
    "manage:token": Permission("Make, see and end one's own personal tokens.", _EVERYBODY),
    "manage:api": Permission("Make, see, rotate and end the organisation's API keys.", _ADMINS),
}
"""Every permission that there is."""

PERMISSIONS: Mapping[Role, frozenset[str]] = {
    role: frozenset(name for name, permission in TABLE.items() if role in permission.roles) for role in Role
}
"""What each role may do."""

SCOPES: frozenset[str] = frozenset(TABLE)
"""The names of all permissions."""

PUBLISHABLE: frozenset[str] = frozenset({"view:insight"})
"""What a key may hold that stands in a web page for everybody to read. All of it only reads."""
