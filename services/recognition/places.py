"""A few of what takes long at once, and fewer of one caller: the next is turned away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from shared.errors import Refusal


class Places:
    """Counts what is under way in this process."""

    def __init__(self, most: int, of_one: int, refusal: Callable[[], Refusal]) -> None:
        self._most, self._of_one, self._refusal = most, of_one, refusal
        self._taken: Counter[Hashable] = Counter()

    @contextmanager
    def take(self, whose: Hashable) -> Iterator[None]:
        """A place as long as the context lasts. Raises the refusal where there is none."""
        if self._taken.total() >= self._most or self._taken[whose] >= self._of_one:
            raise self._refusal()
        self._taken[whose] += 1
        try:
            yield
        finally:
            self._taken[whose] -= 1
            if not self._taken[whose]:
                del self._taken[whose]
