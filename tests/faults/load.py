"""An organisation whose people thank, give hi5s and read without a pause, each call written down."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.faults.history import Counts, Operation, judge, recovered
from tests.faults.rig import Rig
from tests.support.history import AWAY
from tests.support.processes import ADMIN_EMAIL, ADMIN_PASSWORD
from tests.support.story import Story
from tests.support.waiting import eventually

RICH, POOR = 100_000, 25
GIVERS = ("ann", "boss", "judge", "cyd")
WORKERS = 8
THINK_SECONDS = 0.1
SETTLED_SECONDS = 60.0
IN_A_ROW = 15
_GIVEN = """
SELECT count(*) AS given, coalesce((
    SELECT sum(amount)::int FROM quota.adjustments AS made
    WHERE made.org_id = $1 AND made.user_id = hi5.given_by AND made.at >= period.starts_at AND made.at < period.ends_at
), 0) AS adjusted
FROM recognition.hi5s AS hi5
LEFT JOIN recognition.allowances AS period ON period.org_id = hi5.org_id AND period.user_id = hi5.given_by
    AND period.starts_at <= hi5.given_at AND period.ends_at > hi5.given_at
WHERE hi5.org_id = $1 AND hi5.void_at IS NULL
GROUP BY hi5.given_by, period.id, period.starts_at, period.ends_at
"""


@dataclass
class Load:
    """Cyd is poor: most of Cyd's hi5s have to be refused, whatever happens."""

    rig: Rig
    story: Story
    operations: list[Operation] = field(default_factory=list)
    others: list[Operation] = field(default_factory=list)
    _open: deque[tuple[int, str]] = field(default_factory=deque)
    _running: asyncio.Event = field(default_factory=asyncio.Event)
    _workers: list[asyncio.Task[None]] = field(default_factory=list)

    async def begin(self, limit: int = RICH) -> None:
        """The organisation with its people and a first recognition."""
        await self.story.begin()
        await self.set_limit(limit)
        if limit > POOR:
            asked = {"amount": POOR - limit, "reason": "To find out what happens at the limit"}
            await self.story.until_taken(f"/quota/users/{self.story.people['cyd'].id}/adjustments", "boss", asked)
            await eventually(self._poor_is_known, within=15, every=0.1)
        await self.thank()

    async def set_limit(self, limit: int) -> None:
        """Returns when it holds everywhere."""
        path = f"{self.story.url}/organisations/{self.story.org_id}"
        headers = {"Authorization": f"Bearer {self.story.people['boss'].token}"}
        async with self.story.session.patch(path, json={"hi5_limit": limit}, headers=headers) as answer:
            assert answer.status == 200, await answer.text()

        async def is_known() -> bool:
            query = "SELECT hi5_limit FROM recognition.policies WHERE org_id = $1 ORDER BY version DESC LIMIT 1"
            return bool(await self.rig.value(query, self.story.org_id) == limit)

        await eventually(is_known, within=15, every=0.05)

    async def _poor_is_known(self) -> bool:
        query = "SELECT count(*) FROM recognition.adjustments WHERE org_id = $1"
        return bool(await self.rig.value(query, self.story.org_id))

    def start(self) -> None:
        self._running.set()
        self._workers = [asyncio.create_task(self._work()) for _ in range(WORKERS)]

    async def pause(self) -> None:
        """Returns when nothing is under way."""
        self._running.clear()
        await eventually(lambda: all(one.statuses for one in self.operations), within=30)

    def resume(self) -> None:
        self._running.set()

    async def stop(self) -> None:
        await self.pause()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            await self._running.wait()
            dice = random.random()
            if dice < 0.1:
                await self.read()
            elif dice < 0.4 or not self._open:
                await self.thank()
            else:
                recognition_id, giver = self._open.popleft()
                await self.give_hi5(giver, recognition_id)
            await asyncio.sleep(THINK_SECONDS)

    async def thank(self) -> Operation:
        """Ann thanks Ben; what is taken, the others may give hi5s on."""
        text = f"For {secrets.token_hex(8)}"
        operation = self._note(Operation("thanks", "ann", ("thanks", text)))
        said = await self.repeat(operation)
        if operation.outcome == "ok":
            pairs = [(said["data"]["id"], giver) for giver in GIVERS]
            self._open.extend(random.sample(pairs, len(pairs)))
        return operation

    async def give_hi5(self, giver: str, recognition_id: int, key: str = "") -> Operation:
        operation = Operation("hi5", giver, ("hi5", recognition_id, self.story.people[giver].id))
        operation.key = key or operation.key
        self._note(operation)
        await self.repeat(operation)
        return operation

    async def read(self) -> Operation:
        operation = self._note(Operation("read", "ben", None))
        await self._call(operation, "GET", "/recognitions?limit=5", None)
        return operation

    def _note(self, operation: Operation) -> Operation:
        self.operations.append(operation)
        return operation

    async def repeat(self, operation: Operation) -> Any:
        """Asks (again) under the operation's key."""
        what = operation.what
        assert isinstance(what, tuple)
        if operation.kind == "hi5":
            return await self._call(operation, "POST", f"/recognitions/{what[1]}/hi5", {})
        asked = {"given_for": self.story.people["ben"].id, "core_value_id": self.story.value_id, "text": what[1]}
        return await self._call(operation, "POST", "/recognitions", asked)

    async def _call(self, operation: Operation, method: str, path: str, body: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.story.people[operation.who].token}"}
        if method == "POST":
            headers["Idempotency-Key"] = operation.key
        try:
            async with self.rig.session.request(method, self.rig.url + path, json=body, headers=headers) as answer:
                said = await answer.json(content_type=None)
                operation.note(answer.status)
                return said
        except AWAY:
            operation.note(0)
            return None

    async def until_well(self, since: float, within: float) -> float:
        """Waits until calls are answered again without exception; gives when the last that was not began to be."""
        deadline = time.monotonic() + within
        while True:
            latest = [one for one in self.operations if one.statuses][-IN_A_ROW:]
            if len(latest) == IN_A_ROW and all(one.answered and one.began >= since for one in latest):
                break
            assert time.monotonic() < deadline, f"calls still fail after {within} s: {latest[-1].statuses}"
            await asyncio.sleep(0.02)
        bad = [one.ended for one in self.operations if one.statuses and not one.answered]
        return max([since, *bad])

    async def present(self) -> list[object]:
        """What is in the tables: hi5s by recognition and giver, recognitions by their text."""
        hi5s = await self.rig.rows(
            "SELECT recognition_id, given_by FROM recognition.hi5s WHERE org_id = $1 AND void_at IS NULL",
            self.story.org_id,
        )
        thanks = await self.rig.rows("SELECT text FROM recognition.recognitions WHERE org_id = $1", self.story.org_id)
        return [("hi5", *row) for row in hi5s] + [("thanks", row["text"]) for row in thanks]

    async def overspent(self) -> int:
        """Hi5s beyond what their givers had in a period, counted from the rows of hi5s."""
        query = "SELECT max(hi5_limit) FROM recognition.policies WHERE org_id = $1"
        limit = await self.rig.value(query, self.story.org_id)
        rows = await self.rig.rows(_GIVEN, self.story.org_id)
        return sum(max(0, row["given"] - limit - row["adjusted"]) for row in rows)

    async def settle(self) -> Counts:
        """Repeats what has no clear answer, as a client would, and compares everything with what is there."""
        found = recovered(self.operations, await self.present())

        async def settled() -> bool:
            unknown = [one for one in self.operations if one.kind != "read" and one.outcome == "unknown"]
            await asyncio.gather(*(self.repeat(one) for one in unknown[:32]))
            return not unknown

        await eventually(settled, within=SETTLED_SECONDS, every=0.1)
        counts = judge(self.operations, await self.present())
        counts.recovered, counts.overspent = found, await self.overspent()
        return counts


async def load_on(rig: Rig, limit: int = RICH) -> Load:
    load = Load(rig, Story(rig.url, rig.session, ADMIN_EMAIL, ADMIN_PASSWORD))
    await load.begin(limit)
    return load
