"""The demo organisation: complete, the same every time, made once, and with books that agree."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from services.connections import SERVICE_NAMES, Addresses
from services.demo import content, months
from services.demo.command_line import at_work, main
from services.demo.filling import fill_stage
from services.demo.organisation import gather
from services.demo.story import tell
from services.proof import findings
from tests.support.databases import ScratchDatabase
from tests.support.installation import ROOT, Installation, installation
from tests.support.waiting import eventually

NOW = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)


def test_the_story_is_the_same_every_time() -> None:
    assert tell(NOW) == tell(NOW)
    assert [one.text for one in tell(NOW).thanks] == [one.text for one in tell(NOW + timedelta(days=9)).thanks]


def test_the_story_keeps_the_rules() -> None:
    story = tell(NOW)
    assert len(story.thanks) > 300
    assert all(one.given_by != one.given_for for one in story.thanks)
    assert all(NOW - timedelta(days=183) < one.given_at < NOW for one in story.thanks)
    assert len({one.key for one in story.thanks}) == len(story.thanks)
    assert all(one.given_by != one.thanks.given_for for one in story.applause)
    assert len({(one.thanks.key, one.given_by) for one in story.applause}) == len(story.applause) > 100
    hi5s = Counter(one.given_by for one in story.applause)
    assert max(hi5s.values()) < int(str(content.SETTINGS["hi5_limit"]))
    parties = {person for one in story.reported for person in (one.given_by, one.given_for)}
    assert content.MODERATOR not in parties


def test_who_tries_it_finds_something_to_applaud() -> None:
    story = tell(NOW)
    found = story.untouched_by(content.EMPLOYEE)
    assert content.EMPLOYEE not in (found.given_by, found.given_for)
    assert found not in story.reported


def environment(scratch: ScratchDatabase, folder: Path) -> dict[str, str]:
    password = scratch.password or "not asked for"
    return {
        **os.environ,
        **{f"PEERLY_{name.upper()}_DATABASE_PASSWORD": password for name in SERVICE_NAMES},
        "DATABASE_URL": scratch.admin_url,
        "PEERLY_DATA_DIR": str(folder),
    }


async def demo(scratch: ScratchDatabase, folder: Path) -> tuple[int, str, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", "demo", cwd=ROOT, env=environment(scratch, folder), stdout=pipe, stderr=pipe
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def where(scratch: ScratchDatabase) -> Addresses:
    return Addresses(scratch.admin_url, {name: scratch.url(name) for name in SERVICE_NAMES})


async def rows(scratch: ScratchDatabase) -> dict[str, int]:
    """How many rows tell of what the demo did."""
    admin = await asyncpg.connect(scratch.admin_url, timeout=10)
    tables = [f"{name}.outbox" for name in SERVICE_NAMES]
    tables += ["auth.users", "auth.passwords", "recognition.recognitions", "recognition.hi5s"]
    tables += ["moderation.reports", "moderation.reviews", "moderation.recognitions", "quota.entries"]
    try:
        return {table: await admin.fetchval(f"SELECT count(*) FROM {table}") for table in tables}
    finally:
        await admin.close(timeout=5)


async def assert_complete(scratch: ScratchDatabase) -> None:
    found = await rows(scratch)
    story = tell(NOW)
    assert found["auth.users"] == len(content.COLLEAGUES)
    assert found["auth.passwords"] == 2
    assert found["recognition.recognitions"] == len(story.thanks)
    assert found["recognition.hi5s"] == len(story.applause)
    assert (found["moderation.reports"], found["moderation.reviews"]) == (4, 2)


async def test_beside_a_resting_installation_it_is_complete_and_its_books_agree(
    scratch: ScratchDatabase, tmp_path: Path
) -> None:
    code, out, err = await demo(scratch, tmp_path)
    assert (code, err) == (0, "")
    assert f"{content.ADMIN.email} / " in out
    await assert_complete(scratch)
    broken = [one for one in await findings(where(scratch)) if not one.holds]
    assert broken == []
    assert (await rows(scratch))["quota.entries"] > 0


async def test_again_it_changes_and_tells_nothing(scratch: ScratchDatabase, tmp_path: Path) -> None:
    await demo(scratch, tmp_path)
    before = await rows(scratch)
    code, out, _ = await demo(scratch, tmp_path)
    assert code == 0
    assert "There is a demo organisation already" in out
    assert "/" not in out
    assert await rows(scratch) == before


async def test_two_at_once_make_one(scratch: ScratchDatabase, tmp_path: Path) -> None:
    ends = await asyncio.gather(demo(scratch, tmp_path), demo(scratch, tmp_path))
    assert [code for code, _, _ in ends] == [0, 0], ends
    assert sum("Shown this once" in out for _, out, _ in ends) == 1
    await assert_complete(scratch)


@pytest.mark.parametrize("steps", [1, 2, 3])
async def test_what_a_killed_run_left_out_the_next_one_adds(scratch: ScratchDatabase, steps: int) -> None:
    async with at_work(where(scratch)) as stage:
        story = tell(stage.clock())
        cast = await gather(stage)
        assert cast is not None
        if steps >= 2:
            written = await months.write_thanks(stage, cast, story)
            if steps >= 3:
                await months.applaud(stage, cast, written, story.applause[:50])
                await months.complain(stage, cast, written, story.reported)
        made = await fill_stage(stage)
        assert made is not None
        assert made.organisation_id == cast.org_id
    found = await rows(scratch)
    assert found["recognition.recognitions"] == len(story.thanks)
    assert found["moderation.reports"] == 4
    assert found["auth.passwords"] == 2


async def test_somebody_elses_domain_is_left_alone(scratch: ScratchDatabase, tmp_path: Path) -> None:
    async with installation(scratch, tmp_path) as running:
        root = await running.super_admin()
        settings = {**content.SETTINGS, "name": "Real company", "domain_names": [content.DOMAIN]}
        await running.expect(201, "POST", "/organisations", token=root.token, body=settings)
        before = await rows(scratch)
        _, out, _ = await demo(scratch, tmp_path)
        assert "nothing was changed" in out
        after = await rows(scratch)
        assert [after[name] for name in ("auth.users", "auth.passwords")] == [
            before[name] for name in ("auth.users", "auth.passwords")
        ]


async def sign_in(running: Installation, printed: str, word: str) -> tuple[str, int]:
    found = re.search(rf"{word}\s+(\S+) / (\S+)", printed)
    assert found is not None
    body = {"username": found[1], "password": found[2]}
    token = (await running.expect(200, "POST", "/login", body=body))["token"]
    me = await running.expect(200, "GET", "/users/me", token=token)
    return token, me["id"]


async def test_beside_running_services_people_can_try_it(scratch: ScratchDatabase, tmp_path: Path) -> None:
    async with installation(scratch, tmp_path) as running:
        code, out, err = await demo(scratch, tmp_path)
        assert (code, err) == (0, "")
        admin, _ = await sign_in(running, out, "admin")
        employee, employee_id = await sign_in(running, out, "employee")
        cases = await running.expect(200, "GET", "/moderation/cases", token=admin)
        assert sorted(case["state"] for case in cases) == ["dismissed", "hidden", "open"]
        feed = await running.expect(200, "GET", "/recognitions", token=employee, params={"limit": "100"})
        assert content.HARSH not in [one["text"] for one in feed]
        assert sum(one["hi5_count"] for one in feed) > 50
        tree = await running.expect(200, "GET", "/core_values", token=employee, params={"tree": "true"})
        assert any(below["children"] for value in tree for below in value["children"])
        praised = next(one for one in feed if employee_id not in (one["given_by"], one["given_for"]))

        async def balances_agree() -> bool:
            quota = await running.expect(200, "GET", "/quota/me", token=employee)
            me = await running.expect(200, "GET", "/users/me", token=employee)
            return bool(quota["balance"] == me["hi5_quota_balance"] < quota["limit"])

        await eventually(balances_agree, within=15)
        thanks = {"given_for": praised["given_for"], "core_value_id": tree[0]["id"], "text": "Thank you!"}
        await running.expect(201, "POST", "/recognitions", token=employee, body=thanks)


def test_without_the_services_tables_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nowhere")
    monkeypatch.setenv("PEERLY_DATA_DIR", str(tmp_path))
    assert main([]) == 2
    assert "start Peerly once" in capsys.readouterr().err
