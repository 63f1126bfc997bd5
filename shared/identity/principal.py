"""The caller of a request, whatever the credential was."""

from dataclasses import dataclass

from shared.identity.roles import Role

SYSTEM_ORGANISATION = 0
"""The organisation that super admins belong to; clients see null."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified credential's owner and rights; `expires_at` in epoch seconds.

    `client_id` names what the person acts through: a personal token, an API key, an application; None in a session.
    `origins` are set for a publishable key: only their pages may use it.
    """

    user_id: int
    org_id: int
    org_name: str | None
    role_id: int
    permissions: frozenset[str]
    kind: str
    jti: str
    generation: int
    expires_at: int
    client_id: str | None = None
    origins: frozenset[str] | None = None

    @property
    def is_super_admin(self) -> bool:
        """Whether it runs the installation instead of belonging to an organisation."""
        return self.role_id == Role.SUPER_ADMIN

    @property
    def actor(self) -> str:
        """Who repeats a request when the same Idempotency-Key comes again, whichever token it comes with."""
        return f"user:{self.user_id}" if self.client_id is None else f"client:{self.client_id}:{self.user_id}"

    def may(self, permission: str) -> bool:
        """Whether the credential carries this permission."""
        return permission in self.permissions
