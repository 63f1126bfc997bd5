"""Series of recognitions (TM-5, TM-6, TM-7): the five verbs on a thank-you that recurs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from services.recognition.commands.series import MOST_SERIES
from tests.component.recognition.recurring import A_WEEK, MONDAY, PATH, Recurring, recurring
from tests.component.recognition.world import (
    ADMIN,
    ANNA,
    BEN,
    CLEO,
    FOREIGN_ADMIN,
    MODERATOR,
    STRANGER,
    SUPER_ADMIN,
    World,
)

START = int(MONDAY.timestamp())


@pytest.fixture
async def series(environment: pytest.MonkeyPatch, world: World) -> AsyncIterator[Recurring]:
    async with recurring(world) as made:
        yield made


async def test_tm5_a_series_is_begun_read_and_listed(series: Recurring) -> None:
    made = await series.begun(recurrence="rrule:freq=weekly;byday=mo")
    assert made == {
        **series.body(), "id": made["id"], "given_by": ANNA.user_id, "team_id": None,
        "recurrence": "FREQ=WEEKLY;BYDAY=MO", "ends_at": None, "next_at": START,
    }  # fmt: skip
    await series.world.team(7, BEN, CLEO)
    other = await series.begun(BEN, given_for=None, team_id=7, ends_at=START + 1)
    assert (other["given_for"], other["team_id"], other["ends_at"]) == (None, 7, START + 1)
    path = f"{PATH}/{made['id']}"
    shown = await series.api.get(CLEO, path)
    assert shown.data == made
    assert (await series.api.get(CLEO, path, If_None_Match=shown.headers["ETag"])).status == 304
    listed = await series.api.get(CLEO, f"{PATH}?limit=1&total=true")
    assert (listed.data, listed.meta["total"]) == ([made], 2)
    assert (await series.api.get(CLEO, f"{PATH}?cursor={listed.meta['next_cursor']}")).data == [other]
    assert (await series.api.get(CLEO, f"{path}/occurrences")).data == []


async def test_tm5_put_sets_all_and_patch_what_is_named(series: Recurring) -> None:
    made = await series.begun(ends_at=START + 10 * 86_400)
    path = f"{PATH}/{made['id']}"
    tag = (await series.api.get(ANNA, path)).headers["ETag"]
    patched = await series.api.ask(ANNA, "PATCH", path, {"text": "Thank you!"}, If_Match=tag)
    assert (patched.status, patched.data) == (200, made | {"text": "Thank you!"})
    await series.world.team(7, BEN)
    merge = {"Content_Type": "application/merge-patch+json"}
    turned = await series.api.ask(ANNA, "PATCH", path, {"given_for": None, "team_id": 7, "ends_at": None}, **merge)
    assert turned.data == made | {"text": "Thank you!", "given_for": None, "team_id": 7, "ends_at": None}
    put = await series.api.ask(ANNA, "PUT", path, series.body(starts_at=START + 3600))
    assert put.data == made | {"ends_at": None, "starts_at": START + 3600, "next_at": START + 3600}
    for method, body in (("PUT", series.body()), ("PATCH", {"name": "X"}), ("DELETE", None)):
        assert (await series.api.ask(ANNA, method, path, body, If_Match=tag)).code == (412, "version_mismatch")
    assert (await series.api.ask(ANNA, "DELETE", path)).status == 204
    for where in (path, f"{path}/occurrences"):
        assert (await series.api.get(ANNA, where)).code == (404, "not_found")
    gone = await series.api.ask(ANNA, "PUT", path, series.body())
    assert (gone.status, set(gone.error["fields"])) == (400, {"id"})


async def test_tm5_a_repeated_request_begins_one_series(series: Recurring) -> None:
    again = [await series.api.ask(ANNA, "POST", PATH, series.body(), Idempotency_Key="once") for _ in range(2)][1]
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len((await series.api.get(ANNA, PATH)).data) == 1


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"name": ""}, "name"),
        ({"text": "x" * 1001}, "text"),
        ({"text": None}, "text"),
        ({"core_value_id": 4711}, "core_value_id"),
        ({"given_for": 4711}, "given_for"),
        ({"given_for": None}, "given_for"),
        ({"team_id": 7}, "given_for"),
        ({"given_for": None, "team_id": 4711}, "team_id"),
        ({"recurrence": "FREQ=SECONDLY"}, "recurrence"),
        ({"recurrence": "FREQ=DAILY;BYHOUR=0,1,2"}, "recurrence"),
        ({"recurrence": "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30"}, "recurrence"),
        ({"recurrence": "FREQ=DAILY;UNTIL=20200101"}, "recurrence"),
        ({"recurrence": None}, "recurrence"),
        ({"recurrence": 7}, "recurrence"),
        ({"starts_at": 0}, "starts_at"),
        ({"starts_at": START + 11 * 366 * 86_400}, "starts_at"),
        ({"ends_at": START}, "ends_at"),
    ],
)
async def test_tm5_what_makes_no_sense_is_refused_by_name(
    series: Recurring, fields: dict[str, Any], wrong: str
) -> None:
    refused = await series.begin(**fields)
    assert (refused.status, set(refused.error["fields"])) == (400, {wrong})
    made = await series.begun()
    patched = await series.api.ask(ANNA, "PATCH", f"{PATH}/{made['id']}", fields)
    assert (patched.status, set(patched.error["fields"])) == (400, {wrong})


async def test_tm5_a_series_that_is_over_before_it_begins_is_refused(series: Recurring) -> None:
    refused = await series.begin(starts_at=START - 30 * 86_400, ends_at=START - 2 * 86_400)
    assert set(refused.error["fields"]) == {"ends_at"}


async def test_tm5_nobody_thanks_themselves_nor_without_bound(series: Recurring) -> None:
    assert (await series.begin(given_for=ANNA.user_id)).code == (422, "unprocessable_entity")
    statement = """
    INSERT INTO recognition_series
        (name, name_key, text, core_value_id, given_by, given_for, recurrence, starts_at, done_on)
    SELECT 'x', 'x', 'x', $1, $2, 4711, 'FREQ=DAILY', now(), now() FROM generate_series(2, $3)
    """
    await series.world.rows(statement, series.value, ANNA.user_id, MOST_SERIES)
    await series.begun()
    assert (await series.begin()).code == (409, "conflict")
    assert (await series.begin(BEN, given_for=ANNA.user_id)).status == 201


async def test_tm5_only_the_owner_changes_a_series_and_an_admin_may_end_it(series: Recurring) -> None:
    made = await series.begun()
    path = f"{PATH}/{made['id']}"
    for caller in (BEN, MODERATOR):
        for method, body in (("PUT", series.body()), ("PATCH", {"text": "Mine"}), ("DELETE", None)):
            refused = await series.api.ask(caller, method, path, body, If_Match='"99"')
            assert refused.code == (403, "access_denied")
    assert (await series.api.ask(ADMIN, "PATCH", path, {"text": "Other words in her mouth"})).status == 403
    assert (await series.api.ask(SUPER_ADMIN, "POST", f"{PATH}?org_id=1", series.body())).status == 403
    assert (await series.api.ask(ADMIN, "DELETE", path)).status == 204
    other = await series.begun()
    assert (await series.api.ask(SUPER_ADMIN, "DELETE", f"{PATH}/{other['id']}?org_id=1")).status == 204


async def test_tm5_another_organisation_sees_and_reaches_nothing(series: Recurring) -> None:
    path = f"{PATH}/{(await series.begun())['id']}"
    for where in ("", "/occurrences"):
        foreign, unknown = [await series.api.get(STRANGER, one + where) for one in (path, f"{PATH}/4711")]
        assert (foreign.status, foreign.body) == (404, unknown.body)
    assert (await series.api.get(STRANGER, PATH)).data == []
    assert (await series.api.ask(FOREIGN_ADMIN, "DELETE", path)).status == 404
    assert set((await series.begin(STRANGER)).error["fields"]) == {"given_for", "core_value_id"}


async def test_tm5_a_core_value_of_a_series_stays(series: Recurring) -> None:
    path = f"{PATH}/{(await series.begun())['id']}"
    value = f"/core_values/{series.value}"
    refused = await series.api.ask(ADMIN, "DELETE", value)
    assert refused.code == (409, "conflict")
    assert "campaigns, series" in refused.error["message"]
    await series.api.ask(ANNA, "DELETE", path)
    assert (await series.api.ask(ADMIN, "DELETE", value)).status == 204


async def test_tm5_what_has_begun_long_ago_goes_on_from_now(series: Recurring) -> None:
    made = await series.begun(starts_at=START - 10 * 7 * 86_400)
    assert await series.next_at(made) == MONDAY
    await series.at(MONDAY + timedelta(seconds=1))
    assert await series.became_of(made) == [("03-05 08:00", None)]


async def test_tm5_who_has_left_stays_named_while_other_things_change(series: Recurring) -> None:
    path = f"{PATH}/{(await series.begun())['id']}"
    await series.world.leaves(BEN)
    assert (await series.api.ask(ANNA, "PATCH", path, {"text": "Farewell"})).status == 200
    assert (await series.api.ask(ANNA, "PATCH", path, {"given_for": BEN.user_id})).status == 200
    assert set((await series.begin()).error["fields"]) == {"given_for"}


async def test_tm6_series_are_queried_by_name_people_and_start(series: Recurring) -> None:
    await series.world.team(7, BEN)
    for name, caller, fields in (
        ("Alpha", ANNA, {"given_for": BEN.user_id}),
        ("alps", BEN, {"given_for": CLEO.user_id, "starts_at": START + 60}),
        ("Beta", ANNA, {"given_for": None, "team_id": 7, "starts_at": START + 120}),
    ):
        await series.begun(caller, name=name, **fields)
    for asked, expected in (
        ({"filter": {"name": {"prefix": "alp"}}, "sort": ["name"]}, ["Alpha", "alps"]),
        ({"filter": {"given_by": ANNA.user_id}}, ["Alpha", "Beta"]),
        ({"filter": {"given_for": {"in": [BEN.user_id, CLEO.user_id]}}}, ["Alpha", "alps"]),
        ({"filter": {"team_id": 7}}, ["Beta"]),
        ({"filter": {"core_value_id": series.value}, "sort": ["-id"]}, ["Beta", "alps", "Alpha"]),
        ({"filter": {"starts_at": {"gt": START}}, "sort": ["-starts_at"]}, ["Beta", "alps"]),
    ):
        found = await series.api.ask(CLEO, "POST", f"{PATH}/query", {**asked, "fields": ["name"]})
        assert (found.status, found.data) == (200, [{"name": name} for name in expected]), asked
    listed = await series.api.get(CLEO, f"{PATH}?filter[name]=beta&fields=name")
    assert listed.data == [{"name": "Beta"}]


async def test_tm7_every_change_is_in_the_history(series: Recurring) -> None:
    path = f"{PATH}/{(await series.begun())['id']}"
    await series.api.ask(ANNA, "PATCH", path, {"recurrence": "FREQ=MONTHLY"})
    await series.at(MONDAY + A_WEEK)
    await series.api.ask(ADMIN, "DELETE", path)
    entries = (await series.api.get(ADMIN, f"{path}/historylog")).data
    assert [(one["action"], one["actor"]) for one in entries] == [
        ("deleted", ADMIN.user_id), ("changed", ANNA.user_id), ("created", ANNA.user_id),
    ]  # fmt: skip
    assert entries[1]["changes"] == [{"field": "recurrence", "old": "FREQ=WEEKLY", "new": "FREQ=MONTHLY"}]
    assert len((await series.api.get(ADMIN, f"{PATH}/historylog")).data) == 3
