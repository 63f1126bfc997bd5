"""The proof holds while the service works, and finds whatever is tampered with."""

from __future__ import annotations

import pytest

from tests.component.recognition.world import ADMIN, ANNA, BEN, CLEO, FOREIGN_ADMIN, SUPER_ADMIN, Api, World

SENT = "UPDATE outbox SET sent_at = now()"


@pytest.fixture
async def history(api: Api, world: World) -> list[int]:
    """Spends, refunds, a hidden recognition and a costly one."""
    await world.organisation(cost=1)
    value_id = await api.new_value()
    ids = [await api.given(ANNA, BEN, value_id) for _ in range(3)]
    for id_ in ids:
        await api.hi5(CLEO, id_, None, Idempotency_Key="k")
        await api.hi5(ADMIN, id_)
    await world.hides(ids[0], 1)
    await world.as_administrator(SENT)
    return ids


async def test_every_invariant_holds_and_shows_its_query(api: Api, history: list[int]) -> None:
    answer = await api.get(ADMIN, "/hi5s/proof")
    assert answer.status == 200
    assert [row["id"] for row in answer.data] == ["I1", "I2", "I3", "I4", "I8", "I10"]
    for row in answer.data:
        assert set(row) == {"id", "name", "holds", "query", "result"}
        assert row["holds"] is True, row
        assert row["query"].startswith(("SELECT", "WITH"))
        assert set(row["result"].values()) == {0}


async def test_who_may_ask(api: Api) -> None:
    assert (await api.get(ANNA, "/hi5s/proof")).code == (403, "access_denied")
    assert (await api.get(None, "/hi5s/proof")).code == (401, "invalid_token")
    assert (await api.get(SUPER_ADMIN, "/hi5s/proof?org_id=1")).status == 200
    assert set((await api.get(SUPER_ADMIN, "/hi5s/proof")).error["fields"]) == {"org_id"}


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        (
            """ALTER TABLE allowances DROP CONSTRAINT allowances_never_overspent;
            UPDATE allowances SET granted = 0 WHERE user_id = 13""",
            {"I1": {"overspent"}},
        ),
        (
            "ALTER TABLE spends DROP CONSTRAINT spends_check1; UPDATE spends SET target = 0 WHERE user_id = 13",
            {"I2": {"beyond_their_limit", "of_another_limit"}},
        ),
        ("UPDATE allowances SET spent_total = spent_total + 1 WHERE user_id = 13", {"I3": {"allowances"}}),
        ("UPDATE recognitions SET hi5_count = hi5_count + 1 WHERE NOT hidden", {"I3": {"recognitions", "people"}}),
        ("UPDATE received_counts SET count = count + 1", {"I3": {"people"}}),
        (
            "UPDATE hi5s SET void_at = now() WHERE void_at IS NULL AND given_by = 13",
            {"I3": {"hi5s", "recognitions"}},
        ),
        (
            "UPDATE idempotency_keys SET answer = (SELECT answer FROM idempotency_keys LIMIT 1)",
            {"I4": {"keys"}},
        ),
        (
            """DROP INDEX hi5s_once;
            INSERT INTO hi5s (org_id, recognition_id, given_by, given_at)
            SELECT org_id, recognition_id, given_by, given_at FROM hi5s WHERE void_at IS NULL""",
            {"I3": {"hi5s", "recognitions"}, "I4": {"givers"}},
        ),
        ("UPDATE spends SET seq = seq + 10 WHERE user_id = 13 AND seq = 3", {"I8": {"gaps"}}),
        ("UPDATE outbox SET sent_at = NULL", {"I8": {"unsent"}}),
        ("UPDATE recognitions SET hidden = true", {"I3": {"people"}, "I10": {"kept_by_hidden"}}),
        (
            "UPDATE allowances SET closed_version = 1, closed_seq = 0 WHERE user_id = 13",
            {"I10": {"spent_when_closed"}},
        ),
        ("UPDATE members SET active = false WHERE user_id = 13", {"I10": {"left_open"}}),
    ],
)
async def test_tampering_is_found(
    world: World, history: list[int], tampering: str, broken: dict[str, set[str]]
) -> None:
    assert await world.broken(except_unsent=False) == {}
    await world.as_administrator(tampering)
    found = await world.broken(except_unsent=False)
    assert {id_: {name for name, count in result.items() if count} for id_, result in found.items()} == broken


async def test_another_organisations_trouble_is_not_ours(api: Api, world: World, history: list[int]) -> None:
    await world.as_administrator("UPDATE received_counts SET count = count + 1")
    found = {row["id"]: row["holds"] for row in (await api.get(FOREIGN_ADMIN, "/hi5s/proof")).data}
    assert all(found.values())
