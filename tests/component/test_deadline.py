"""Deadlines that share a timer behave as those of asyncio do."""

from __future__ import annotations

import asyncio

import pytest

from shared.deadline import TICK, within


async def test_a_block_that_takes_too_long_raises_timeout_error() -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError), within(0.1):
        await asyncio.sleep(30)
    assert 0.1 - 0.01 <= loop.time() - began < 5
    await asyncio.sleep(0)  # nothing of the cancellation is left


async def test_a_block_that_ends_in_time_is_left_alone_also_after_it() -> None:
    with within(0.05):
        await asyncio.sleep(0)
    await asyncio.sleep(0.05 + 3 * TICK)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_of_two_deadlines_the_nearer_one_ends_its_own_block_only() -> None:
    ended = []
    with within(30):
        try:
            with within(0.05):
                await asyncio.sleep(30)
        except TimeoutError:
            ended.append("inner")
        await asyncio.sleep(0)
    assert ended == ["inner"]


async def test_the_outer_deadline_passes_through_an_inner_one() -> None:
    ended = []

    async def work() -> None:
        try:
            with within(30):
                await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append("inner")
            raise

    with pytest.raises(TimeoutError), within(0.05):
        await work()
    assert ended == ["inner"]


async def test_who_cancels_the_task_from_outside_gets_a_cancellation() -> None:
    async def work() -> None:
        with within(30):
            await asyncio.sleep(30)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_errors_of_the_block_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), within(30):
        raise ZeroDivisionError


async def test_many_tasks_have_deadlines_of_their_own() -> None:
    async def work(seconds: float) -> bool:
        try:
            with within(seconds):
                await asyncio.sleep(0.3)
        except TimeoutError:
            return False
        return True

    assert await asyncio.gather(*(work(seconds) for seconds in (0.05, 30, 0.1, 30))) == [False, True, False, True]


def test_each_loop_has_its_own_timer() -> None:
    async def work() -> None:
        with within(0.05):
            await asyncio.sleep(30)

    for _ in range(2):
        with pytest.raises(TimeoutError):
            asyncio.run(work())
