"""`with within(seconds):`, as `asyncio.timeout` is, at a tenth of its price: all deadlines of a loop share one timer.

A timer for each costs more than most of what it guards; several guard each request.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self
from weakref import WeakKeyDictionary

TICK = 0.02
"""How late a deadline may be, in seconds."""


class within:  # noqa: N801 - read like asyncio.timeout
    """Cancels its block, which then raises `TimeoutError`, when it has not ended within so many seconds, and a tick."""

    __slots__ = ("_at", "_cancelling", "_expired", "_seconds", "_task", "_watch")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("A deadline is for the block of a task")
        self._task: asyncio.Task[object] = task
        self._cancelling = task.cancelling()
        self._expired = False
        self._at = loop.time() + self._seconds
        self._watch = _WATCHES.get(loop) or _WATCHES.setdefault(loop, _Watch())
        self._watch.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.remove(self)
        if not self._expired:
            return
        others = self._task.uncancel() > self._cancelling
        if not others and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def look(self, now: float) -> bool:
        """Whether it is over by now; the first time its block is cancelled."""
        if now < self._at:
            return False
        self._expired = True
        self._task.cancel()
        return True


class _Watch:
    """The deadlines of one loop, looked at every tick while there are any."""

    def __init__(self) -> None:
        self._running: dict[within, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, deadline: within) -> None:
        self._running[deadline] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK, self._look)

    def remove(self, deadline: within) -> None:
        self._running.pop(deadline, None)

    def _look(self) -> None:
        self._timer = None
        if not self._running:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        for deadline in [one for one in self._running if one.look(now)]:
            del self._running[deadline]
        self._timer = loop.call_later(TICK, self._look)


_WATCHES: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watch] = WeakKeyDictionary()
