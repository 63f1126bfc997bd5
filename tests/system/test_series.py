"""A series in a whole Peerly: a team from auth, what it gives in the feed, and known to moderation."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.databases import Databases, build_template
from tests.support.installation import Installation, installation
from tests.support.waiting import eventually


@pytest.fixture
async def peerly(databases: Databases, tmp_path: Path) -> AsyncIterator[Installation]:
    database = await databases.make(build_template)
    async with installation(database, tmp_path) as running:
        yield running
    await databases.drop(database)


async def test_tm5_a_series_gives_by_itself_what_everybody_sees_and_other_services_know(peerly: Installation) -> None:
    company = await peerly.company()
    admin, owner = company.admin.token, company.employee
    receivers = [company.colleague.id, company.moderator.id]
    value = await peerly.expect(
        201, "POST", "/core_values", token=admin, body={"text": "Courage", "description": "To dare"}
    )
    team = await peerly.expect(201, "POST", "/teams", token=admin, body={"name": "Night", "member_ids": receivers})
    soon = int(time.time()) + 4
    body = {
        "name": "Daily", "text": "Thanks again", "core_value_id": value["id"], "team_id": team["id"],
        "recurrence": "FREQ=DAILY;COUNT=2", "starts_at": soon,
    }  # fmt: skip
    series = await peerly.expect(201, "POST", "/recognition-series", token=owner.token, body=body)
    assert series["next_at"] == soon

    async def are_given() -> bool:
        path = f"/recognition-series/{series['id']}/occurrences"
        rows = await peerly.expect(200, "GET", path, token=owner.token)
        return sorted(row["given_for"] for row in rows if row["outcome"] == "given") == sorted(receivers)

    await eventually(are_given)
    feed = await peerly.expect(200, "GET", f"/recognitions?given_by={owner.id}", token=admin)
    assert {(one["given_for"], one["text"]) for one in feed} == {(one, "Thanks again") for one in receivers}

    async def is_reported() -> bool:
        report = {"mark_as": "incorrect", "reason": "Not so"}
        path = f"/recognitions/{feed[0]['id']}/report"
        return (await peerly.ask("POST", path, token=admin, body=report)).status == 201

    await eventually(is_reported)
    shown = await peerly.expect(200, "GET", f"/recognition-series/{series['id']}", token=owner.token)
    assert shown["next_at"] - soon in {82_800, 86_400, 90_000}
