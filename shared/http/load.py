"""How much one process takes on at once, and for how long: what is more is turned away before it costs anything."""

from __future__ import annotations

import re
import secrets

from aiohttp import web

from shared.errors import InvalidData, Unavailable

MOST_AT_ONCE = 128
"""With the eight connections of a pool, the last of so many waits well under a second."""
LONGEST_SECONDS = 10.0
"""The gateway waits no longer for an answer."""
COMES_AGAIN = 3
"""Who is turned away comes again in one to so many seconds, not all at the same moment."""
DEADLINE = "X-Request-Timeout"
_SECONDS = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,3})?", re.ASCII)


class Overloaded(Unavailable):
    """The process has as much to do as it can do in time."""

    message = "Too many requests at once; try again as Retry-After says"

    def __init__(self) -> None:
        super().__init__(retry_after=1 + secrets.randbelow(COMES_AGAIN))


class Load:
    """Counts the requests that a process works on, from the end of their body to their answer."""

    def __init__(self, most: int = MOST_AT_ONCE) -> None:
        self._most = most
        self._running = 0

    def check(self) -> None:
        """Raises `Overloaded` when nothing more is taken on now."""
        if self._running >= self._most:
            raise Overloaded

    def __enter__(self) -> None:
        """One request's work begins. Raises `Overloaded`."""
        self.check()
        self._running += 1

    def __exit__(self, *_: object) -> None:
        self._running -= 1


def seconds_for(request: web.Request, longest: float = LONGEST_SECONDS) -> float:
    """How long whoever asks waits for the answer, in seconds; nobody works on it any longer. Raises `InvalidData`."""
    wanted = request.headers.get(DEADLINE)
    if wanted is None:
        return longest
    if not _SECONDS.fullmatch(wanted) or float(wanted) == 0:
        raise InvalidData(f"{DEADLINE} must be a number of seconds above 0, such as 2.5")
    return min(float(wanted), longest)
