"""Lines of requests are written together, in order with all else, and harm no request when nobody can take them."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from shared import telemetry
from tests.support.waiting import eventually

Stream = TypeVar("Stream", bound=io.StringIO)


class Broken(io.StringIO):
    """The end of a pipe that nobody reads."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


@contextmanager
def output(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    """All logging goes there and nowhere else."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stdout", stream)
    telemetry.log_to_standard_output()
    try:
        yield stream
    finally:
        root.handlers[:] = before
        root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


async def test_they_come_a_moment_later_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    with output(io.StringIO(), monkeypatch) as written:
        for number in range(3):
            telemetry.log_request({"status": 200, "request_id": f"{number}"})
        assert lines(written) == []
        await eventually(lambda: len(lines(written)) == 3)
    assert [(line["event"], line["request_id"]) for line in lines(written)] == [("request", f"{n}") for n in range(3)]
    assert {"at", "level", "status"} <= lines(written)[0].keys()


async def test_they_come_before_what_is_logged_after_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with output(io.StringIO(), monkeypatch) as written:
        telemetry.log_request({"status": 200})
        telemetry.log("something else")
    assert [line["event"] for line in lines(written)] == ["request", "something else"]


async def test_many_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    with output(io.StringIO(), monkeypatch) as written:
        for _ in range(telemetry.MOST_TOGETHER):
            telemetry.log_request({"status": 200})
    assert len(lines(written)) == telemetry.MOST_TOGETHER


async def test_what_waits_at_the_end_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    with output(io.StringIO(), monkeypatch) as written:
        telemetry.log_request({"status": 200})
        logging.getLogger().handlers[0].flush()
    assert len(lines(written)) == 1


async def test_an_output_that_is_gone_harms_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is told as logging tells it."""
    told: list[logging.LogRecord] = []
    monkeypatch.setattr(logging.Handler, "handleError", lambda _, record: told.append(record))
    with output(Broken(), monkeypatch):
        for _ in range(telemetry.MOST_TOGETHER + 1):
            telemetry.log_request({"status": 200})
        telemetry.log("something else")
    assert len(told) == 3
