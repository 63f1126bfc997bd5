"""A maintenance window (TM-12) behind the gateway: all four services keep it within a second of its being told."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDictProxy

from services.processes import Processes
from tests.support.processes import ADMIN_EMAIL, ADMIN_PASSWORD, running_system
from tests.support.servers import Postgres, Rabbitmq
from tests.support.story import Story
from tests.support.waiting import eventually

pytestmark = pytest.mark.alone

WITHIN_SECONDS = 1.0
LASTS = 600


@pytest.fixture(scope="module")
async def system(
    postgres: Postgres, rabbitmq: Rabbitmq, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Processes]:
    async with running_system(postgres, rabbitmq, tmp_path_factory.mktemp("maintenance")) as running:
        yield running


@pytest.fixture
async def story(system: Processes) -> AsyncIterator[Story]:
    async with aiohttp.ClientSession() as session:
        begun = Story(system.url, session, ADMIN_EMAIL, ADMIN_PASSWORD)
        await begun.begin()
        yield begun


@dataclass(frozen=True, slots=True)
class Request:
    """One by the admin of the story's organisation, unless another token is given."""

    story: Story
    method: str
    path: str
    body: dict[str, Any] = field(default_factory=dict)
    token: str = ""

    async def send(self) -> tuple[int, CIMultiDictProxy[str]]:
        headers = {"Authorization": f"Bearer {self.token or self.story.people['boss'].token}"}
        url = self.story.url + self.path
        async with self.story.session.request(self.method, url, json=self.body, headers=headers) as answer:
            return answer.status, answer.headers

    async def is_refused(self) -> None:
        status, headers = await self.send()
        assert status == 503
        assert LASTS - 60 < int(headers["Retry-After"]) <= LASTS

    async def is_taken(self) -> None:
        status, _ = await self.send()
        assert status < 300


def one_write_each(story: Story, recognition_id: int) -> list[Request]:
    ann, ben = story.people["ann"].id, story.people["ben"].id
    thanks = {"given_for": ben, "core_value_id": story.value_id, "text": "For the upgrade"}
    return [
        Request(story, "POST", f"/users/{ann}/restore"),
        Request(story, "POST", f"/quota/users/{ann}/adjustments", {"amount": 1, "reason": "More"}),
        Request(story, "POST", f"/recognitions/{recognition_id}/review", {"is_inappropriate": False}),
        Request(story, "POST", "/recognitions", thanks),
    ]


async def test_tm12_all_services_stop_writing_within_a_second_and_go_on_reading(story: Story) -> None:
    given = await story.thank()
    writes = one_write_each(story, given)
    signed_in = await story.post("/login", "", {"username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}, 200)
    root = signed_in["token"]
    body = {"starts_at": int(time.time()) - 1, "ends_at": int(time.time()) + LASTS, "message": "Upgrade"}
    window = await story.post("/maintenance-windows", root, body, 201)
    await asyncio.gather(*(eventually(one.is_refused, within=WITHIN_SECONDS) for one in writes))
    for path in ("/users/me", f"/recognitions/{given}", "/quota/me", "/moderation/cases"):
        status, headers = await Request(story, "GET", path).send()
        assert status == 200
        assert headers["Maintenance-Window"] == f"starts={body['starts_at']}, ends={body['ends_at']}"
    async with story.session.get(f"{story.url}/maintenance-windows") as listed:
        assert (listed.status, (await listed.json())["data"]) == (200, [window])
    await Request(story, "DELETE", f"/maintenance-windows/{window['id']}", token=root).is_taken()
    for one in writes:
        await eventually(one.is_taken, within=WITHIN_SECONDS)
