"""P2-1, P2-2 in a whole Peerly: a page with a publishable key, and somebody who does not want to be in it."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from tests.support.api import Reply
from tests.support.databases import Databases, build_template
from tests.support.installation import Company, Installation, installation
from tests.support.staging import Stage, recognition
from tests.support.waiting import eventually

PAGE = "https://intranet.example.com"
BOARD = "/insights/leaderboard?metric=hi5_received&period=all"
NAMES = {"first_name": "Robin", "last_name": "Tester", "display_name": "Robin"}


async def test_p2_1_p2_2_a_page_shows_who_wants_to_be_shown(databases: Databases, tmp_path: Path) -> None:
    database = await databases.make(build_template)
    async with installation(database, tmp_path) as peerly:
        company = await peerly.company()
        thanks = await recognition(Stage(peerly, company, company.employee))
        await peerly.expect(201, "POST", f"/recognitions/{thanks}/hi5", token=company.moderator.token)
        body = {"name": "Hall", "scopes": ["view:insight"], "origins": [PAGE]}
        made = await peerly.expect(201, "POST", "/api-keys", token=company.admin.token, body=body)
        shown = await page(peerly, made["key"])
        assert [one["user"]["id"] for one in shown.data] == [company.colleague.id]
        assert shown.headers["Access-Control-Allow-Origin"] == PAGE
        assert (await peerly.ask("GET", BOARD, token=made["key"])).status == 403
        await leaves_the_board(peerly, company, made["key"])
        await peerly.expect(204, "DELETE", f"/api-keys/{made['id']}", token=company.admin.token)
        await eventually(lambda: is_refused(peerly, made["key"]), within=2)
    await databases.drop(database)


async def page(peerly: Installation, key: str) -> Reply:
    return await peerly.ask("GET", BOARD, token=key, headers={"Origin": PAGE})


async def leaves_the_board(peerly: Installation, company: Company, key: str) -> None:
    async def shows(count: int) -> bool:
        return len((await page(peerly, key)).data) == count

    for listed, count in ((False, 0), (True, 1)):
        body: Any = {**NAMES, "listed_in_leaderboards": listed}
        await peerly.expect(200, "PUT", "/users/me", token=company.colleague.token, body=body)
        await eventually(partial(shows, count), within=30)


async def is_refused(peerly: Installation, key: str) -> bool:
    return (await page(peerly, key)).status == 401
