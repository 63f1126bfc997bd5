"""How often one caller may ask: a token bucket for each, in the memory of one process."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

MOST_CALLERS = 50_000


@dataclass(frozen=True, slots=True)
class Policy:
    """`burst` requests at once, refilled at `rate` a second."""

    name: str
    rate: float
    burst: int

    @property
    def header(self) -> str:
        """The value of `RateLimit-Policy`: quota and window in seconds."""
        return f'"{self.name}";q={self.burst};w={math.ceil(self.burst / self.rate)}'


PER_CREDENTIAL = Policy("credential", rate=100, burst=200)
PER_ORGANISATION = Policy("organisation", rate=300, burst=600)
"""All people, clients and credentials of an organisation together: one company does not crowd out the others."""
PER_ADDRESS = Policy("address", rate=20, burst=60)
"""Requests without a valid credential, sign-in among them, by client address."""
EXPORTS = Policy("exports", rate=0.1, burst=10)
"""Of an organisation: ten at once, one more every ten seconds."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request passes, how many more would, and in how many seconds one does."""

    allowed: bool
    remaining: int
    reset: int

    def headers(self, policy: Policy) -> dict[str, str]:
        """The answer's `RateLimit` headers."""
        return {
            "RateLimit-Policy": policy.header,
            "RateLimit": f'"{policy.name}";r={self.remaining};t={self.reset}',
        }


class RateLimiter:
    """Buckets by caller; the least recently seen are forgotten."""

    def __init__(self, policy: Policy, now: Callable[[], float] = monotonic) -> None:
        self.policy = policy
        self._now = now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def ask(self, caller: str) -> Verdict:
        """Takes one token of the caller's bucket if there is one."""
        now, policy = self._now(), self.policy
        tokens, seen = self._buckets.pop(caller, (float(policy.burst), now))
        tokens = min(policy.burst, tokens + (now - seen) * policy.rate)
        allowed = tokens >= 1
        if allowed:
            tokens -= 1
        self._buckets[caller] = (tokens, now)
        if len(self._buckets) > MOST_CALLERS:
            self._buckets.popitem(last=False)
        return Verdict(allowed, int(tokens), math.ceil(max(0.0, 1 - tokens) / policy.rate) if not allowed else 0)
