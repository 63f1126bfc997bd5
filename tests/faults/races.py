"""F35 to F39: many at once on one balance, one key, one recognition, one limit, one person."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

from tests.faults.history import Operation
from tests.faults.load import Load
from tests.faults.row import Scene
from tests.support.waiting import eventually

CONNECTIONS, TOGETHER = 64, 16
QUOTA, REQUESTS = 10, 640


async def thanks(load: Load, count: int) -> list[int]:
    """So many new recognitions."""
    taken: list[Operation] = []
    while len(taken) < count:
        taken += await asyncio.gather(*(load.thank() for _ in range(min(TOGETHER, count - len(taken)))))
    texts = [one.what[1] for one in taken if isinstance(one.what, tuple)]
    rows = await load.rig.rows("SELECT id FROM recognition.recognitions WHERE text = ANY($1) ORDER BY id", texts)
    assert len(rows) == count
    return [row["id"] for row in rows]


async def at_once(load: Load, giver: str, ids: list[int], key: str = "") -> list[Operation]:
    """From 64 connections that begin together."""
    start, work = asyncio.Event(), iter(ids)
    done: list[Operation] = []

    async def connection() -> None:
        await start.wait()
        done.extend([await load.give_hi5(giver, one, key) for one in work])

    tasks = [asyncio.create_task(connection()) for _ in range(CONNECTIONS)]
    start.set()
    await asyncio.gather(*tasks)
    return done


def statuses(done: list[Operation]) -> Counter[int]:
    return Counter(one.statuses[0] for one in done)


async def one_balance(scene: Scene) -> float:
    """640 requests for the 10 hi5s that somebody has."""
    load = scene.load
    for number in range(scene.size):
        ids = await thanks(load, REQUESTS)
        if number:
            await grant(load, "judge", QUOTA)
        done = await at_once(load, "judge", ids)
        assert statuses(done) == {201: QUOTA, 400: REQUESTS - QUOTA}, statuses(done)
    scene.note(f"{scene.size} x {REQUESTS} requests of {CONNECTIONS} connections: {QUOTA} taken each time")
    return time.monotonic()


async def grant(load: Load, who: str, amount: int) -> None:
    """That much more for one person; returns when it can be spent."""
    user_id = load.story.people[who].id
    asked = {"amount": amount, "reason": "Once more"}
    made = await load.story.until_taken(f"/quota/users/{user_id}/adjustments", "boss", asked)

    async def is_known() -> bool:
        return bool(await load.rig.value("SELECT count(*) FROM recognition.adjustments WHERE id = $1", made["id"]))

    await eventually(is_known, within=10, every=0.05)


async def one_key(scene: Scene) -> float:
    load = scene.load
    for number in await thanks(load, scene.size):
        key = f"one-key-{number}"
        done = await at_once(load, "boss", [number] * CONNECTIONS, key)
        assert statuses(done) == {201: CONNECTIONS}, statuses(done)
    scene.note(f"{scene.size} x {CONNECTIONS} requests under one key: one hi5, equal answers")
    return time.monotonic()


async def hide_while_spending(scene: Scene) -> float:
    """Each hi5 is given back or refused, whichever of the two came first."""
    load, story = scene.load, scene.load.story
    for number in await thanks(load, scene.size):
        asked = {"mark_as": "incorrect", "reason": "It was the day shift"}
        await story.until_taken(f"/recognitions/{number}/report", "cyd", asked)
        story.recognition_ids.append(number)
        givers = [who for who in ("ann", "boss", "judge") for _ in range(CONNECTIONS // 3)]
        review = story.until_taken(f"/recognitions/{number}/review", "judge", {"is_inappropriate": True})
        answers = await asyncio.gather(review, *(_try_hi5(load, who, number) for who in givers))
        assert not [one for one in answers[1:] if one >= 500], answers

        async def hidden_and_refunded(number: int = number) -> bool:
            row = await load.rig.rows(
                "SELECT hidden, (SELECT count(*) FROM recognition.hi5s AS hi5 WHERE hi5.recognition_id = r.id"
                " AND void_at IS NULL) AS kept FROM recognition.recognitions AS r WHERE id = $1",
                number,
            )
            return bool(row[0]["hidden"]) and row[0]["kept"] == 0

        await eventually(hidden_and_refunded, within=15, every=0.05)
    scene.note(f"{scene.size} x hidden among {CONNECTIONS} requests")
    return time.monotonic()


async def _try_hi5(load: Load, who: str, number: int) -> int:
    """Outside of the history: a hi5 that a hide voids was acknowledged and is rightly not counted."""
    headers = {"Authorization": f"Bearer {load.story.people[who].token}"}
    path = f"{load.rig.url}/recognitions/{number}/hi5"
    async with load.rig.session.post(path, json={}, headers=headers) as answer:
        await answer.read()
        return answer.status


async def change_limits(scene: Scene) -> float:
    """Lowered and raised again and again while people spend."""
    load, story = scene.load, scene.load.story
    slowest = 0.0
    for number in range(scene.size):
        limit = 100_000 - (number % 2) * 40_000
        headers = {"Authorization": f"Bearer {story.people['boss'].token}"}
        path = f"{story.url}/organisations/{story.org_id}"
        began = time.monotonic()
        async with story.session.patch(path, json={"hi5_limit": limit}, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

        async def in_force(limit: int = limit) -> bool:
            query = "SELECT hi5_limit FROM recognition.policies WHERE org_id = $1 ORDER BY version DESC LIMIT 1"
            return bool(await load.rig.value(query, story.org_id) == limit)

        await eventually(in_force, within=10, every=0.02)
        slowest = max(slowest, time.monotonic() - began)
    scene.note(f"{scene.size} changes, each in force within {slowest:.2f} s")
    return time.monotonic()


async def deactivate_while_spending(scene: Scene) -> float:
    """Nobody spends once their leaving is applied; then they come back."""
    load, story = scene.load, scene.load.story
    user_id = story.people["ann"].id
    for _ in range(scene.size):
        number = (await thanks(load, 1))[0]
        await _ask(load, "DELETE", f"/users/{user_id}")
        done = await asyncio.gather(*(load.give_hi5("ann", number) for _ in range(16)))
        assert all(one.answered for one in done), statuses(list(done))
        await eventually(lambda: _active(load, user_id, wanted=False), within=10, every=0.02)
        refused = await load.give_hi5("ann", number)
        assert refused.statuses == [401], refused.statuses
        await _ask(load, "POST", f"/users/{user_id}/restore")
        await eventually(lambda: _active(load, user_id, wanted=True), within=10, every=0.02)
        story.people["ann"].token = await story._google_sign_in(story.people["ann"].email)
    scene.note(f"{scene.size} x left and came back")
    return time.monotonic()


async def _ask(load: Load, method: str, path: str) -> Any:
    headers = {"Authorization": f"Bearer {load.story.people['boss'].token}"}
    async with load.rig.session.request(method, load.rig.url + path, headers=headers) as answer:
        assert answer.status < 300, (path, answer.status, await answer.text())


async def _active(load: Load, user_id: int, *, wanted: bool) -> bool:
    return bool(await load.rig.value("SELECT active FROM recognition.members WHERE user_id = $1", user_id) == wanted)
