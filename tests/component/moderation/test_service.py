"""The whole service in one process: it hears of a recognition, answers a moderator, and tells what was decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import pairwise
from uuid import uuid4

import aiohttp
import pytest
from environs import Env

from services.moderation.app import SERVICE
from shared.bus import InProcessBus
from shared.bus.message import Delivery, Message, Unconfirmed
from shared.clock import utc_now
from shared.consumer import subscribed
from shared.contracts import Event
from shared.contracts import moderation as events
from shared.contracts.auth import PublicKey, SigningKeysChanged
from shared.envelope import unseal
from shared.service import listening, probes, started, working
from tests.component.moderation.world import CLEO, MODERATOR, Api, given
from tests.support.api import ACME, SIGNER
from tests.support.hearing import sealed
from tests.support.waiting import eventually

REVIEWED = (events.RecognitionHidden, events.RecognitionRestored)
TOLD = {events.RecognitionReported.TYPE, events.RecognitionHidden.TYPE, events.RecognitionRestored.TYPE}


class Neighbour:
    """Stands where recognition stands: says what happened there, and remembers what it is told."""

    def __init__(self, bus: InProcessBus) -> None:
        self.bus = bus
        self.heard: list[Event] = []

    async def hear(self, delivery: Delivery) -> None:
        received = unseal(delivery.body)
        if received.type in TOLD:
            self.heard.append(received.event)

    async def say(self, event: Event) -> None:
        event_id = uuid4()
        message = Message(event_id, event.PUBLISHER, event.TYPE, sealed(event, ACME, event_id, utc_now()))

        async def published() -> bool:
            try:
                await self.bus.publish(message)
            except Unconfirmed:
                return False
            return True

        await eventually(published)


@pytest.fixture
async def neighbour() -> AsyncIterator[Neighbour]:
    neighbour = Neighbour(InProcessBus({"moderation": subscribed(SERVICE.handlers), "recognition": TOLD}))
    stop = asyncio.Event()
    listens = asyncio.create_task(neighbour.bus.consume("recognition", neighbour.hear, stop))
    yield neighbour
    stop.set()
    await listens


@pytest.fixture
async def whole(database_url: str, neighbour: Neighbour, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    failed = asyncio.Event()
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(started(SERVICE, SERVICE.read_settings(Env()), neighbour.bus))
        await stack.enter_async_context(working([running], failed))
        health = probes([running], neighbour.bus)
        port = await stack.enter_async_context(listening([running], health, "127.0.0.1", 0))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        api = Api(session, f"http://127.0.0.1:{port}")
        await neighbour.say(
            SigningKeysChanged(keys=(PublicKey(kid=SIGNER.kid, x=SIGNER.x, not_after=None),), version=1)
        )
        await eventually(lambda: is_ready(api))
        yield api
        assert not failed.is_set()


async def is_ready(api: Api) -> bool:
    return (await api.get(None, "/readyz")).status == 200


async def test_a_review_travels_from_the_event_to_the_neighbours(whole: Api, neighbour: Neighbour) -> None:
    assert (await whole.hide(MODERATOR, 100)).status == 400
    await neighbour.say(given(100))
    assert (await whole.report(CLEO, 100)).status == 201
    for is_inappropriate in (True, False):
        assert (await whole.review(MODERATOR, 100, is_inappropriate)).status == 201
    await eventually(lambda: len(neighbour.heard) == 3)
    assert [type(event).__name__ for event in neighbour.heard] == [
        "RecognitionReported",
        "RecognitionHidden",
        "RecognitionRestored",
    ]


async def test_the_neighbours_hear_each_change_once_and_in_order(whole: Api, neighbour: Neighbour) -> None:
    await neighbour.say(given(100))
    replies = await asyncio.gather(*(whole.review(MODERATOR, 100, number % 2 == 0) for number in range(20)))
    assert {reply.status for reply in replies} == {201}
    verdicts = [review["is_inappropriate"] for review in (await whole.case(100))["reviews"]]
    changes = sum(one != other for one, other in pairwise([False, *verdicts]))
    await eventually(lambda: len(neighbour.heard) >= changes)
    versions = [event.version for event in neighbour.heard if isinstance(event, REVIEWED)]
    assert versions == list(range(1, changes + 1))
