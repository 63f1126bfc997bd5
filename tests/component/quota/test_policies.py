"""The policy follows from the organisation's settings, whatever the order in which they arrive."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from shared.contracts.auth import Frequency
from tests.component.quota.world import ANNA, LIMIT, NOON, Api, World, organisation
from tests.support.api import ACME

HISTORY = [
    organisation(1),
    organisation(2, frequency="DAILY"),
    organisation(3, 7),
    organisation(4, 7, timezone="Asia/Kolkata"),
]


def epoch(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc,arg-type]


async def test_settings_become_a_policy_that_is_published(world: World) -> None:
    assert await world.told("QuotaPolicyChanged.v1") == [
        {
            "organisation_id": ACME,
            "version": 1,
            "limit": 10,
            "calendars": [{"from": epoch(2025, 7, 15, 12), "frequency": "WEEKLY", "timezone": "UTC"}],
        }
    ]


async def test_new_limit_holds_at_once(world: World, api: Api) -> None:
    await world.hears(organisation(2, 25))
    assert (await api.quota(ANNA))["limit"] == 25


CHANGES: list[tuple[tuple[Frequency, str], datetime, tuple[int, int]]] = [
    (("DAILY", "UTC"), NOON, (epoch(2026, 7, 13), epoch(2026, 7, 20))),
    (("DAILY", "UTC"), NOON + timedelta(days=5), (epoch(2026, 7, 20), epoch(2026, 7, 21))),
    (("WEEKLY", "Asia/Tokyo"), NOON, (epoch(2026, 7, 13), epoch(2026, 7, 20))),
]


@pytest.mark.parametrize(("calendar", "moment", "period"), CHANGES)
async def test_new_calendar_holds_from_the_end_of_the_running_period(
    world: World, api: Api, calendar: tuple[Frequency, str], moment: datetime, period: tuple[int, int]
) -> None:
    await world.hears(organisation(2, LIMIT, *calendar))
    world.clock.now = moment
    quota = await api.quota(ANNA)
    assert (quota["period_start"], quota["resets_at"]) == period


async def test_duplicate_settings_change_nothing(world: World) -> None:
    await world.hears(organisation(1, 99))
    assert len(await world.told("QuotaPolicyChanged.v1")) == 1


async def test_settings_in_any_order_come_to_the_same_policy(empty_world: World) -> None:
    for org_id, order in enumerate(permutations(range(len(HISTORY))), 101):
        for place in order:
            told = replace(HISTORY[place], organisation_id=org_id)
            await empty_world.hears(told, org_id, at=NOON + timedelta(hours=place))
        policies = await empty_world.told("QuotaPolicyChanged.v1", org_id)
        assert [policy["version"] for policy in policies] == [1, 2, 3, 4]
        assert policies[-1] == {
            "organisation_id": org_id,
            "version": 4,
            "limit": 7,
            "calendars": [
                {"from": epoch(2026, 7, 15, 12), "frequency": "WEEKLY", "timezone": "UTC"},
                {"from": epoch(2026, 7, 20), "frequency": "WEEKLY", "timezone": "Asia/Kolkata"},
            ],
        }


async def test_unknown_time_zone_is_parked_with_its_reason(world: World) -> None:
    assert await world.hears(organisation(2, timezone="Europe/Atlantis")) == "parked"
    assert "'Europe/Atlantis' is not a time zone" in await world.value("SELECT reason FROM parked")
