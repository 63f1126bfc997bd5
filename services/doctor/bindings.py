"""Which queue gets what: AMQP lists no bindings, so the broker's own tools are asked, or somebody who may ask them."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from services.processes.broker import DEFAULT_PORT, LOOPBACK
from shared.bus.topology import Topology

Bindings = frozenset[tuple[str, str, str]]
"""Exchange, queue and routing key of each."""

SECONDS = 30.0
COLUMNS = ("source_name", "destination_name", "destination_kind", "routing_key")


def parse(text: str) -> Bindings:
    """What `rabbitmqctl list_bindings --formatter json` or the management API says; raises `ValueError`."""
    return _of_all(json.loads(text))


def _of_all(rows: Any) -> Bindings:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("this is no list of bindings")
    try:
        return frozenset(binding for row in rows for binding in _of(row))
    except KeyError as missing:
        raise ValueError(f"a binding has no {missing}") from None


def _of(row: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    """Of queues, without what every queue has by its own name."""
    names = COLUMNS if "source_name" in row else ("source", "destination", "destination_type", "routing_key")
    exchange, queue, kind, key = (row[name] for name in names)
    return [(exchange, queue, key)] if exchange and kind == "queue" else []


async def listed(url: str) -> Bindings | None:
    """Of the broker's virtual host, by `rabbitmqctl`; None where that is another machine's, or not ours to call."""
    place = urlsplit(url)
    port = place.port or DEFAULT_PORT
    if place.hostname not in LOOPBACK or port not in await _ports():
        return None
    said = await _rabbitmqctl("list_bindings", "-p", unquote(place.path[1:]) or "/", *COLUMNS)
    return None if said is None else _of_all(said)


async def _ports() -> set[int]:
    """Where the broker that `rabbitmqctl` reaches listens: it need not be the one of the address."""
    said = await _rabbitmqctl("status")
    return set() if said is None else {listener["port"] for listener in said["listeners"]}


async def _rabbitmqctl(*words: str) -> Any:
    """What it says as JSON; None when it cannot be called."""
    program = shutil.which("rabbitmqctl")
    if program is None:
        return None
    process = await asyncio.create_subprocess_exec(
        program, "--quiet", "--formatter", "json", *words,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return json.loads(said) if process.returncode == 0 else None


def troubles(wanted: Topology, found: Bindings) -> list[str]:
    """What is missing, and what our queues get that is not theirs."""
    declared = frozenset((one.exchange, one.queue, one.key) for one in wanted.bindings if one.wanted)
    ours = {queue.name for queue in wanted.queues}
    strange = {one for one in found - declared if one[1] in ours}
    return [*_said(declared - found, "lacks"), *_said(strange, "should not get")]


def _said(bindings: Iterable[tuple[str, str, str]], verb: str) -> Iterable[str]:
    keys: dict[tuple[str, str], list[str]] = defaultdict(list)
    for exchange, queue, key in sorted(bindings):
        keys[queue, exchange].append(key or "what comes")
    return (f"{queue} {verb} {', '.join(names)} of {exchange}" for (queue, exchange), names in keys.items())
