"""Waits of the tests: until something is true, with a deadline."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, overload

Answer = TypeVar("Answer")


@overload
async def eventually(check: Callable[[], Awaitable[Answer]], within: float = 15, every: float = 0.02) -> Answer: ...


@overload
async def eventually(check: Callable[[], Answer], within: float = 15, every: float = 0.02) -> Answer: ...


async def eventually(
    check: Callable[[], Answer | Awaitable[Answer]], within: float = 15, every: float = 0.02
) -> Answer:
    """Calls `check` until its answer is true or it stops failing; its last answer or failure is in the test's error.

    A check that asserts may return None: it is done when it does not raise. The limit is for a machine under load; a
    test of how soon something happens names its own.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        try:
            answer = await _answer(check)
            if answer or answer is None:
                return answer
            missed: AssertionError = AssertionError(f"still {answer!r} after {within} s")
        except AssertionError as failed:
            missed = failed
        if loop.time() > deadline:
            raise missed
        await asyncio.sleep(every)


async def _answer(check: Callable[[], Answer | Awaitable[Answer]]) -> Answer:
    answer = check()
    return await answer if inspect.isawaitable(answer) else answer
