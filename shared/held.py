"""What some queue does not take now is held back, so that nothing else waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

from shared.bus.message import Unconfirmed, Unroutable
from shared.database import Connection

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
HOLD = timedelta(seconds=LONGEST_PAUSE)
"""How long a row stays put off when its relay dies; one that lives renews it."""
UPDATE_SECONDS = 30.0
"""Hours without a queue may leave very many rows to put off."""

_WAITING = "sent_at IS NULL AND position IS NOT NULL"
_DUE = "(retry_at IS NULL OR retry_at <= clock_timestamp())"
_PATIENTLY = "SET LOCAL statement_timeout = '30s'"

_HOLD = f"UPDATE outbox SET retry_at = clock_timestamp() + $2 WHERE type = ANY($1::text[]) AND {_WAITING} AND {_DUE}"  # noqa: S608

_HOLD_FOLLOWERS = f"""
WITH held AS MATERIALIZED (
    SELECT subject, min(id) AS id, max(retry_at) AS until FROM outbox
    WHERE {_WAITING} AND retry_at > clock_timestamp() GROUP BY subject
)
UPDATE outbox SET retry_at = held.until FROM held
WHERE outbox.subject = held.subject AND outbox.id > held.id AND {_WAITING} AND {_DUE}
"""  # noqa: S608

_RELEASE = f"UPDATE outbox SET retry_at = NULL WHERE {_WAITING} AND retry_at > clock_timestamp()"  # noqa: S608


@dataclass(slots=True)
class _Pause:
    seconds: float
    until: float
    trial: asyncio.Task[None] | None = None

    @property
    def over(self) -> bool:
        return monotonic() >= self.until and (self.trial is None or self.trial.done())


class Held:
    """Routing keys that some queue refuses. After a growing pause one message is tried, beside all other work."""

    def __init__(self, freed: Callable[[], None]) -> None:
        self._freed = freed
        self._release = False
        self._pauses: dict[str, _Pause] = {}

    def waits(self, key: str) -> bool:
        """Whether a key is not to be tried now."""
        return key in self._pauses and not self._pauses[key].over

    @property
    def due(self) -> list[str]:
        """The held keys whose pause is over."""
        return [key for key, pause in self._pauses.items() if pause.over]

    @property
    def waiting(self) -> list[str]:
        """The held keys whose pause is not over."""
        return [key for key, pause in self._pauses.items() if not pause.over]

    def refused(self, key: str) -> bool:
        """Holds a key from now on, longer each time; tells whether it is the first time."""
        known = self._pauses.get(key)
        if known is None:
            self._pauses[key] = _Pause(FIRST_PAUSE, monotonic() + FIRST_PAUSE)
        elif monotonic() >= known.until:
            known.seconds = min(known.seconds * 2, LONGEST_PAUSE)
            known.until = monotonic() + known.seconds
        return known is None

    def taken(self, keys: Iterable[str]) -> None:
        """These go through."""
        for key in self._pauses.keys() & set(keys):
            del self._pauses[key]
            self._release = True
            self._freed()

    def attempt(self, key: str, publishing: Awaitable[None]) -> None:
        """Lets a held key go when this message of it is confirmed."""
        self._pauses[key].trial = asyncio.ensure_future(self._attempt(key, publishing))

    async def _attempt(self, key: str, publishing: Awaitable[None]) -> None:
        try:
            await publishing
        except (Unconfirmed, Unroutable):
            self.refused(key)
        else:
            self.taken([key])

    async def close(self) -> None:
        """Ends what is being tried."""
        trials = [pause.trial for pause in self._pauses.values() if pause.trial is not None]
        for trial in trials:
            trial.cancel()
        await asyncio.gather(*trials, return_exceptions=True)

    async def keep_back(self, tx: Connection) -> None:
        """Puts off the waiting events of held keys, and whatever has an earlier event of its subject put off."""
        await tx.execute(_PATIENTLY)
        if self._release:
            await tx.execute(_RELEASE, timeout=UPDATE_SECONDS)
            self._release = False
        if self._pauses:
            await tx.execute(_HOLD, list(self._pauses), HOLD, timeout=UPDATE_SECONDS)
        await tx.execute(_HOLD_FOLLOWERS, timeout=UPDATE_SECONDS)
