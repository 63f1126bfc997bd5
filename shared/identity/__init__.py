"""Who asks, for which organisation, and what they may do: from a bearer token, without a round trip."""

from shared.identity.principal import Principal
from shared.identity.roles import AUTHENTICATED, PUBLIC, Role
from shared.identity.verifier import PublicKey, Verifier

__all__ = ["AUTHENTICATED", "PUBLIC", "Principal", "PublicKey", "Role", "Verifier"]
