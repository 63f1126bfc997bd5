"""Many at once: never one too many, never one twice, never one lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

from services.recognition.commands.allowances import open_allowance
from shared.contracts.recognition import Hi5Refunded, Hi5Spent, Hi5sReceivedChanged
from shared.identity import Role
from shared.identity.principal import Principal
from tests.component.recognition.world import ADMIN, ANNA, BEN, CLEO, Api, World
from tests.support.api import ACME, Caller, Reply

CROWD = 64


async def many(api: Api, count: int) -> list[int]:
    """As many recognitions that Anna gave Ben."""
    give = partial(api.give, ANNA, BEN, await api.new_value())
    given = await asyncio.gather(*(patiently(give) for _ in range(count)))
    return [answer.data["id"] for answer in given]


async def patiently(asking: Callable[[], Awaitable[Reply]]) -> Reply:
    """Asks again while the service is too busy, as a client does; on a slow machine the last wait too long."""
    answer = await asking()
    while answer.status == 503:
        await asyncio.sleep(float(answer.headers["Retry-After"]))
        answer = await asking()
    return answer


def tally(answers: list[Reply]) -> Counter[tuple[int, str]]:
    return Counter((answer.status, "" if answer.status < 400 else answer.error["code"]) for answer in answers)


async def test_a_balance_of_three_gives_exactly_three(api: Api, world: World) -> None:
    await world.policy(3)
    ids = await many(api, CROWD)
    for caller in await world.newcomers(4):
        answers = await asyncio.gather(*(patiently(partial(api.hi5, caller, id_)) for id_ in ids))
        assert tally(answers) == {(201, ""): 3, (400, "insufficient_hi5_balance"): CROWD - 3}
        balances = sorted(answer.meta["hi5_quota_balance"] for answer in answers if answer.status == 201)
        assert balances == [0, 1, 2]
    assert await world.value("SELECT count(*) FROM allowances") == 4
    assert await world.broken() == {}


async def test_one_key_gives_once_and_answers_all_alike(api: Api, world: World) -> None:
    (thanks,) = await many(api, 1)
    answers = await asyncio.gather(
        *(patiently(partial(api.hi5, CLEO, thanks, None, Idempotency_Key="one")) for _ in range(CROWD))
    )
    assert {answer.status for answer in answers} == {201}
    assert all(answer.body == answers[0].body for answer in answers)
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1
    assert len(await world.told(Hi5Spent)) == 1
    assert await world.broken() == {}


async def test_one_giver_gives_one_hi5_on_one_recognition(api: Api, world: World) -> None:
    (thanks,) = await many(api, 1)
    answers = await asyncio.gather(*(patiently(partial(api.hi5, CLEO, thanks)) for _ in range(CROWD)))
    assert tally(answers) == {(201, ""): 1, (422, "unprocessable_entity"): CROWD - 1}
    assert await world.broken() == {}


async def test_a_popular_recognition_counts_everybody(api: Api, world: World) -> None:
    (thanks,) = await many(api, 1)
    crowd = await world.newcomers(CROWD)
    answers = await asyncio.gather(*(patiently(partial(api.hi5, caller, thanks)) for caller in crowd))
    assert tally(answers) == {(201, ""): CROWD}
    assert (await api.get(ANNA, f"/recognitions/{thanks}")).data["hi5_count"] == CROWD
    received = await world.told(Hi5sReceivedChanged)
    assert [(event.count, event.version) for event in received] == [(n, n) for n in range(1, CROWD + 1)]
    assert await world.broken() == {}


async def test_hiding_while_a_crowd_gives(api: Api, world: World) -> None:
    ids = await many(api, 4)
    crowd = await world.newcomers(CROWD // 4)

    async def gives(offset: int) -> list[Reply]:
        return [await api.hi5(caller, ids[(number + offset) % 4]) for number, caller in enumerate(crowd)]

    async def hides() -> None:
        for id_ in ids[::-1]:
            await asyncio.sleep(0.02)
            await world.hides(id_, 1)

    *given, _ = await asyncio.gather(gives(0), gives(1), gives(2), gives(3), hides())
    answers = [answer for replies in given if replies for answer in replies]
    assert set(tally(answers)) <= {(201, ""), (400, "invalid_data")}
    accepted = sum(answer.status == 201 for answer in answers)
    assert len(await world.told(Hi5Spent)) == len(await world.told(Hi5Refunded)) == accepted
    assert await world.received(BEN) == 0
    assert await world.broken() == {}


async def test_limits_that_change_under_load_are_never_exceeded(api: Api, world: World) -> None:
    ids = await many(api, 24)
    crowd = await world.newcomers(4)

    async def changes() -> None:
        for limit in (1, 9, 3, 12, 2, 20):
            await world.policy(limit)
            await world.adjusts(crowd[0], limit % 3 - 1)

    spending = (patiently(partial(api.hi5, caller, id_)) for id_ in ids for caller in crowd)
    *answers, _ = await asyncio.gather(*spending, changes())
    assert set(tally([answer for answer in answers if answer])) <= {(201, ""), (400, "insufficient_hi5_balance")}
    for caller in crowd:
        await asyncio.gather(*(patiently(partial(api.hi5, caller, id_)) for id_ in ids))
    spent = {event.given_by: event.allowance.spent_total for event in await world.told(Hi5Spent)}
    assert spent == {crowd[0].user_id: 21} | {caller.user_id: 20 for caller in crowd[1:]}
    assert await world.broken() == {}


async def test_nobody_spends_after_leaving(api: Api, world: World) -> None:
    await world.policy(1000)
    *ids, last = await many(api, CROWD)
    for caller in await world.newcomers(3):

        async def leaves_and_tries_again(caller: Caller = caller) -> Reply:
            await world.leaves(caller)
            return await api.hi5(caller, last)

        *_, after = await asyncio.gather(*(api.hi5(caller, id_) for id_ in ids), leaves_and_tries_again())
        assert after.code == (401, "invalid_token")
        assert await world.broken() == {}


async def test_recognitions_and_hi5s_share_one_balance(api: Api, world: World) -> None:
    await world.organisation(cost=1)
    await world.policy(CROWD)
    ids = await many(api, 16)
    await world.policy(5)
    value_id = (await api.get(ANNA, "/core_values")).data[0]["id"]
    answers = await asyncio.gather(
        *(patiently(partial(api.hi5, CLEO, id_)) for id_ in ids),
        *(patiently(partial(api.give, CLEO, BEN, value_id)) for _ in range(16)),
    )
    assert tally(answers) == {(201, ""): 5, (400, "insufficient_hi5_balance"): 27}
    assert await world.broken() == {}


async def test_an_allowance_opens_once(world: World) -> None:
    owner = Principal(CLEO.user_id, ACME, None, Role.EMPLOYEE, frozenset(), "session", "1.x", 1, 2**40)

    async def opens() -> bool:
        async with world.database.transaction(ACME) as tx:
            return await open_allowance(tx, owner)

    assert await asyncio.gather(*(opens() for _ in range(CROWD))) == [True] * CROWD
    assert await world.value("SELECT count(*) FROM allowances") == 1


async def test_a_value_is_used_or_deleted_but_not_both(api: Api, world: World) -> None:
    for number in range(8):
        value_id = await api.new_value(f"Value {number}")
        *given, deleted = await asyncio.gather(
            *(patiently(partial(api.give, ANNA, BEN, value_id)) for _ in range(4)),
            patiently(partial(api.ask, ADMIN, "DELETE", f"/core_values/{value_id}")),
        )
        used = {answer.status for answer in given} != {400}
        assert deleted.status == (409 if used else 204)
        assert all(set(answer.error["fields"]) == {"core_value_id"} for answer in given if answer.status != 201)
