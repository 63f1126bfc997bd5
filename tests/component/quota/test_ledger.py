"""Every movement of an allowance is booked once, in order, and stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from shared.contracts.recognition import Hi5Refunded, Hi5Spent
from shared.database import Database
from shared.http import encode_cursor
from tests.component.quota.world import (
    ADMIN,
    ANNA,
    BEN,
    FOREIGN_ADMIN,
    LIMIT,
    STRANGER,
    WEEK,
    Api,
    Spender,
    World,
    organisation,
)
from tests.support.api import ACME


def moves(lines: list[dict[str, Any]]) -> list[tuple[str, int, int]]:
    """The lines as kind, amount and balance, the oldest first."""
    return [(line["kind"], line["amount"], line["balance_after"]) for line in reversed(lines)]


async def test_first_spend_books_the_grant_too(world: World, api: Api) -> None:
    event_id = uuid4()
    await world.hears(Spender().hi5(), event_id=event_id)
    spend, grant = await api.lines(ANNA, ANNA.user_id)
    at = WEEK[0] + 0
    assert spend | {"id": 0} == {
        "id": 0,
        "at": at,
        "kind": "spend",
        "amount": -1,
        "balance_after": LIMIT - 1,
        "event_id": str(event_id),
        "recognition_id": 700,
        "reason": None,
    }
    assert (grant["kind"], grant["amount"], grant["event_id"]) == ("grant", LIMIT, str(event_id))
    assert grant["recognition_id"] is None


async def test_lines_tell_the_story(world: World, api: Api) -> None:
    anna = Spender()
    await world.hears(anna.hi5())
    await world.hears(anna.hi5())
    await world.hears(anna.refund())
    await world.hears(organisation(2, 12))
    anna.target, anna.policy_version = 12, 2
    await world.hears(anna.recognition())
    await world.hears(organisation(3, 1))
    anna.target, anna.policy_version = 1, 3
    await world.hears(anna.refund())
    assert moves(await api.lines(ADMIN, ANNA.user_id)) == [
        ("grant", 10, 10),
        ("spend", -1, 9),
        ("spend", -1, 8),
        ("refund", 1, 9),
        ("grant", 2, 11),
        ("spend", -1, 10),
        ("refund", 1, 11),
        ("reduction", -11, 0),
    ]


async def test_duplicates_are_booked_once(world: World, api: Api) -> None:
    anna = Spender()
    hi5 = anna.hi5()
    event_id = uuid4()
    assert await world.hears(hi5, event_id=event_id) == "handled"
    assert await world.hears(hi5, event_id=event_id) == "duplicate"
    assert await world.hears(hi5) == "handled"
    assert len(await api.lines(ANNA, ANNA.user_id)) == 2


async def test_early_event_waits_for_the_one_before(world: World, api: Api) -> None:
    anna = Spender()
    first, second, third = anna.hi5(), anna.hi5(), anna.refund()
    assert await world.hears(third) == "parked"
    assert await world.hears(second) == "parked"
    assert await world.value("SELECT array_agg(waits_for ORDER BY waits_for) FROM parked") == [
        "allowance:501:1",
        "allowance:501:2",
    ]
    assert (await api.quota(ANNA))["spent"] == 0
    await world.hears(first)
    assert (await api.quota(ANNA))["spent"] == 1
    assert await world.value("SELECT count(*) FROM parked") == 0
    assert [line["kind"] for line in await api.lines(ANNA, ANNA.user_id)] == ["refund", "spend", "spend", "grant"]


def _tampered(event: Hi5Spent | Hi5Refunded, **totals: int) -> Hi5Spent | Hi5Refunded:
    return replace(event, allowance=replace(event.allowance, **totals))


@pytest.mark.parametrize(
    ("totals", "reason"),
    [
        ({"spent_total": 3}, "seq 2 says 3 spent and 0 refunded, the ledger comes to 2 and 0"),
        ({"refunded_total": 1}, "seq 2 says 2 spent and 1 refunded, the ledger comes to 2 and 0"),
        ({"granted": 1}, "seq 2 spends 2 of 1 granted"),
        ({"ends_at": WEEK[1] + 1}, "has another window than the allowance had before"),
    ],
)
async def test_event_whose_totals_differ_is_dead_and_never_booked(
    world: World, api: Api, totals: dict[str, int], reason: str
) -> None:
    anna = Spender()
    await world.hears(anna.hi5())
    assert await world.hears(_tampered(anna.hi5(), **totals)) == "dead"
    assert reason in await world.value("SELECT reason FROM dead")
    assert (await api.quota(ANNA))["spent"] == 1
    assert len(await api.lines(ANNA, ANNA.user_id)) == 2


async def test_each_booking_publishes_the_balance(world: World) -> None:
    anna = Spender()
    for event in (anna.hi5(), anna.hi5(), anna.refund()):
        await world.hears(event)
    told = await world.told("Hi5BalanceChanged.v1")
    assert [(balance["version"], balance["net"]) for balance in told] == [(1, 1), (2, 2), (3, 1)]
    assert told[-1] == {"user_id": ANNA.user_id, "net": 1, "adjusted": 0, "resets_at": WEEK[1], "version": 3}


async def test_late_event_of_an_older_period_does_not_change_the_balance(world: World) -> None:
    last_week = Spender(id=500, window=(WEEK[0] - 604_800, WEEK[0]))
    await world.hears(Spender().hi5())
    await world.hears(last_week.hi5())
    newest = (await world.told("Hi5BalanceChanged.v1"))[-1]
    assert (newest["net"], newest["resets_at"], newest["version"]) == (1, WEEK[1], 2)


async def test_pages_go_through_all_lines(world: World, api: Api) -> None:
    anna = Spender()
    for _ in range(6):
        await world.hears(anna.hi5())
    whole = await api.lines(ANNA, ANNA.user_id)
    path = f"/quota/users/{ANNA.user_id}/ledger?limit=3"
    seen, cursor = [], ""
    while True:
        answer = await api.get(ANNA, path + cursor)
        seen += answer.data
        if "next_cursor" not in answer.body["meta"]:
            break
        cursor = f"&cursor={answer.body['meta']['next_cursor']}"
    assert seen == whole
    second = await api.get(ANNA, f"{path}&offset=3&total=true")
    assert (second.data, second.body["meta"]["total"]) == (whole[3:6], len(whole))


@pytest.mark.parametrize("page", ["limit=0", "limit=101", "offset=-1", "cursor=nonsense", "page=0"])
async def test_wrong_page_is_refused(world: World, api: Api, page: str) -> None:
    answer = await api.get(ANNA, f"/quota/users/{ANNA.user_id}/ledger?{page}")
    assert (answer.status, list(answer.error["fields"])) == (400, [page.split("=", maxsplit=1)[0]])


@pytest.mark.parametrize(("at", "lines"), [(2**53 - 1, 2), (1 - 2**53, 0)])
async def test_made_up_cursor_is_harmless(world: World, api: Api, at: int, lines: int) -> None:
    await world.hears(Spender().hi5())
    answer = await api.get(ANNA, f"/quota/users/{ANNA.user_id}/ledger?cursor={encode_cursor(at, 1)}")
    assert (answer.status, len(answer.data)) == (200, lines)


async def test_ledger_is_for_oneself_and_admins(world: World, api: Api) -> None:
    path = f"/quota/users/{ANNA.user_id}/ledger"
    assert (await api.get(ANNA, path)).status == 200
    assert (await api.get(ADMIN, path)).status == 200
    assert (await api.get(BEN, path)).status == 403
    assert (await api.get(FOREIGN_ADMIN, path)).status == 404
    assert (await api.get(ADMIN, "/quota/users/999/ledger")).status == 404


async def test_empty_ledger_is_an_empty_list(world: World, api: Api) -> None:
    assert await api.lines(BEN, BEN.user_id) == []


@pytest.mark.parametrize("table", ["entries", "postings", "adjustments"])
@pytest.mark.parametrize("statement", ["UPDATE {} SET amount = 5", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_service_cannot_change_what_is_booked(world: World, table: str, statement: str) -> None:
    await world.hears(Spender().hi5())
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.rows(statement.format(table))


async def test_not_even_a_superuser_changes_what_is_booked_by_accident(
    world: World, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    await world.hears(Spender().hi5())
    for statement in ("UPDATE entries SET amount = 5", "DELETE FROM postings"):
        with pytest.raises(asyncpg.RestrictViolationError, match="append-only"):
            await owner.execute(statement)


async def test_unbalanced_postings_are_refused(world: World) -> None:
    await world.hears(Spender().hi5())
    with pytest.raises(asyncpg.CheckViolationError, match="do not sum to 0"):
        await world.rows(
            "INSERT INTO postings (entry_id, allowance_id, user_id, account, amount)"
            " SELECT id, 501, 11, 'spent', 1 FROM entries WHERE kind = 'grant'"
        )


@pytest.mark.parametrize(
    "table", ["allowance_books", "accounts", "entries", "postings", "adjustments", "balances", "policies", "members"]
)
async def test_tenant_sees_only_its_own_rows(world: World, api: Api, database: Database, table: str) -> None:
    await world.hears(Spender().hi5())
    await world.hears(Spender(STRANGER.user_id).hi5(), org_id=2)
    assert (await api.adjust(ADMIN, ANNA.user_id, 1)).status == 201
    assert (await api.adjust(FOREIGN_ADMIN, STRANGER.user_id, 1)).status == 201
    query = f"SELECT count(*) FILTER (WHERE org_id = {ACME}) AS own, count(*) AS all FROM {table}"
    own = (await world.rows(query))[0]
    assert own["own"] == own["all"] > 0
    async with database.transaction() as tx:
        assert await tx.fetchval(f"SELECT count(*) FROM {table}") == 0


async def test_foreign_rows_cannot_be_written(world: World) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await world.rows("INSERT INTO policies (org_id, version, hi5_limit, calendars) VALUES (2, 9, 1, '[]')")
