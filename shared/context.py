"""What a running service hands to its routes, handlers and jobs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from shared.clock import Clock
from shared.database import Database
from shared.identity import Verifier
from shared.identity.external import ExternalTokens
from shared.identity.usage import Usage
from shared.maintenance import Maintenance
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.relay import Relay

R = TypeVar("R")


@dataclass(slots=True)
class Context:
    """One service's resources in one process; `relay` is absent where another process publishes."""

    service: str
    settings: Settings
    database: Database
    verifier: Verifier
    clock: Clock
    usage: Usage
    external: ExternalTokens | None = None
    relay: Relay | None = None
    resources: dict[type[Any], Any] = field(default_factory=dict)
    maintenance: Maintenance = field(init=False)

    def __post_init__(self) -> None:
        self.maintenance = Maintenance(self._now)

    def _now(self) -> datetime:
        return self.clock()

    def wake(self) -> None:
        """Tells the relay that a commit left something to publish."""
        if self.relay is not None:
            self.relay.wake()

    def provide(self, resource: object) -> None:
        """Adds a resource of the service's own, found again by its class."""
        self.resources[type(resource)] = resource

    def get(self, kind: type[R]) -> R:
        """The resource of this class. Raises `KeyError` when the service did not provide it."""
        return cast(R, self.resources[kind])
