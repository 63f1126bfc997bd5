"""What stands around the handlers: the verification of tokens, nginx, more processes, the start of one."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from statistics import median
from time import monotonic

from benchmarks.comparing import Contender, compare
from benchmarks.filling import SERVICES
from benchmarks.measuring import Load, peak_megabytes, wrk
from benchmarks.place import Place
from benchmarks.rows.reads import FEED, ours
from benchmarks.table import Line, limit_line, ratio_line

PATH = "/core_values"


async def token(place: Place) -> list[Line]:
    headers = place.headers()
    async with (
        place.serving() as verifying,
        place.serving("benchmarks.peers.unverified") as trusting,
    ):
        contenders = [
            Contender(one.url, partial(wrk, one.url + PATH, headers=headers), [one.pid])
            for one in (verifying, trusting)
        ]
        mine, without = await compare(contenders, place.rounds, place.postgres)
    return [ratio_line(f"token verified before (GET {PATH})", mine, "no verification", without, 0.95)]


async def gateway(place: Place) -> list[Line]:
    headers = place.headers()
    direct = ours(place, "recognition", FEED, headers)
    pids = [place.system.pids["gateway"], place.system.pids["recognition"]]
    through = Contender("gateway", lambda seconds: wrk(place.system.url + FEED, seconds, headers), pids)
    mine, service = await compare([through, direct], place.rounds, place.postgres)
    return [
        ratio_line("nginx in front (GET /recognitions)", mine, "the service directly", service, 0.75, cpu_counts=False)
    ]


async def processes(place: Place) -> list[Line]:
    """Each process has its own wrk with 32 connections, as each core of a gateway would."""
    headers = place.headers()
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(place.serving()) for _ in range(2)]

        async def together(seconds: float) -> Load:
            loads = await asyncio.gather(*(wrk(one.url + FEED, seconds, headers) for one in both))
            total = sum(load.requests for load in loads)
            return replace(loads[0], requests=total, p99=max(load.p99 for load in loads))

        alone = Contender("one", lambda seconds: wrk(both[0].url + FEED, seconds, headers), [both[0].pid])
        two = Contender("two", together, [one.pid for one in both])
        one_figures, two_figures = await compare([alone, two], place.rounds, place.postgres)
    return [ratio_line("two processes of recognition", two_figures, "one", one_figures, None)]


async def start(place: Place) -> list[Line]:
    """From the start of the process to its first 200 at /readyz; memory is the most that a service had until now."""
    peaks = {service: peak_megabytes(place.system.pids[service]) for service in SERVICES}
    seconds = []
    for _ in range(place.rounds.count):
        began = monotonic()
        async with place.service("recognition"):
            seconds.append(monotonic() - began)
    largest = max(peaks, key=lambda service: peaks[service])
    return [
        limit_line("start of a service to ready", median(seconds), 1.5, "s"),
        limit_line(f"memory of a service ({largest})", peaks[largest], 100, "MB"),
    ]
