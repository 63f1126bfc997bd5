"""Backup and restore by the operator's commands, of a Peerly that people use meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from services.backups.programs import CannotDo, find
from services.connections import SERVICE_NAMES
from services.proof import LEDGER
from tests.support.databases import ScratchDatabase
from tests.support.installation import ROOT, Company, Installation, Member, installation
from tests.support.waiting import eventually


async def operator(
    database: ScratchDatabase | None, folder: Path, *words: str, **environment: str
) -> tuple[int, str, str]:
    """One of the tools, as whoever runs the installation calls it."""
    password = (database and database.password) or "not asked for"
    told = {
        **os.environ,
        **({f"PEERLY_{name.upper()}_DATABASE_PASSWORD": password for name in SERVICE_NAMES} if database else {}),
        "DATABASE_URL": database.admin_url if database else "",
        "AMQP_URL": "",
        "PEERLY_DATA_DIR": str(folder),
        **environment,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", *words, cwd=ROOT, env=told,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), errors.decode()


async def proved(database: ScratchDatabase | None, folder: Path) -> None:
    code, out, errors = await operator(database, folder, "proof")
    assert code == 0, out + errors
    assert LEDGER in out


async def thanks(peerly: Installation, company: Company, text: str, receiver: Member | None = None) -> int:
    """A recognition from the admin for the moderator, or somebody else, that all others may add hi5s to."""
    token = company.admin.token
    value = await peerly.expect(200, "GET", "/core_values", token=token)
    value = value or [
        await peerly.expect(
            201, "POST", "/core_values", token=token, body={"text": "Courage", "description": "Dare to say it"}
        )
    ]
    body = {"given_for": (receiver or company.moderator).id, "core_value_id": value[0]["id"], "text": text}
    made: int = (await peerly.expect(201, "POST", "/recognitions", token=token, body=body))["id"]
    return made


async def hi5(peerly: Installation, token: str, recognition_id: int) -> None:
    await peerly.expect(201, "POST", f"/recognitions/{recognition_id}/hi5", token=token)


async def quota(peerly: Installation, token: str) -> dict[str, Any]:
    found: dict[str, Any] = await peerly.expect(200, "GET", "/quota/me", token=token)
    return found


async def spent(peerly: Installation, token: str, number: int) -> None:
    assert (await quota(peerly, token))["spent"] == number


async def test_recognition_goes_back_to_an_older_copy_while_all_of_it_runs(
    scratch: ScratchDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "peerly.backup"
    async with installation(scratch, tmp_path) as peerly:
        company = await peerly.company()
        employee, colleague = company.employee.token, company.colleague.token
        kept = [await thanks(peerly, company, f"Kept {number}") for number in range(2)]
        await hi5(peerly, employee, kept[0])
        code, out, errors = await operator(scratch, tmp_path, "backup", str(file))
        assert code == 0, errors
        assert "readable by its owner alone" in out
        assert file.stat().st_mode & 0o777 == 0o600
        lost = await thanks(peerly, company, "Lost")
        for token in (employee, colleague):
            await hi5(peerly, token, lost)
            await hi5(peerly, token, kept[1])
        hidden = await thanks(peerly, company, "Hidden, and lost all the same", company.colleague)
        report = {"mark_as": "incorrect", "reason": "It was not that"}
        await peerly.expect(201, "POST", f"/recognitions/{hidden}/report", token=employee, body=report)
        review = {"is_inappropriate": True}
        await peerly.expect(201, "POST", f"/recognitions/{hidden}/review", token=company.moderator.token, body=review)
        await eventually(lambda: spent(peerly, employee, 3))
        await eventually(lambda: spent(peerly, colleague, 2))
        code, out, errors = await operator(scratch, tmp_path, "restore", str(file), "--service", "recognition")
        assert code == 0, errors
        await eventually(lambda: spent(peerly, employee, 1), within=30)
        await eventually(lambda: spent(peerly, colleague, 0), within=30)
        await eventually(lambda: proved(scratch, tmp_path), within=60, every=1)
        assert (await peerly.ask("GET", f"/recognitions/{lost}", token=employee)).status == 404
        path = f"/quota/users/{company.employee.id}/ledger"
        lines = await peerly.expect(200, "GET", path, token=company.admin.token)
        assert [line["amount"] for line in lines if line["kind"] == "correction"] == [2]
        again = await thanks(peerly, company, "Given after the restore")
        assert again > lost
        for token in (employee, colleague):
            await hi5(peerly, token, again)
        await eventually(lambda: spent(peerly, employee, 2), within=30)
        await eventually(lambda: spent(peerly, colleague, 1), within=30)
        await eventually(lambda: received(peerly, company, 3), within=30)
        await peerly.expect(
            201,
            "POST",
            f"/recognitions/{again}/report",
            token=employee,
            body=report,
        )
        await eventually(lambda: nothing_waits(scratch), within=30)
        await eventually(lambda: proved(scratch, tmp_path), within=60, every=1)


async def nothing_waits(database: ScratchDatabase) -> None:
    """The review of a recognition that is lost is not kept for ever."""
    admin = await asyncpg.connect(database.admin_url)
    try:
        for service in SERVICE_NAMES:
            assert await admin.fetch(f"SELECT type, reason FROM {service}.parked") == []
    finally:
        await admin.close()


async def received(peerly: Installation, company: Company, number: int) -> None:
    """What auth shows on the profile: it goes by versions, which go on growing."""
    profile = await peerly.expect(200, "GET", f"/users/{company.moderator.id}", token=company.admin.token)
    assert profile["hi5_count"] == number


async def test_auth_goes_back_to_an_older_copy_while_all_of_it_runs(scratch: ScratchDatabase, tmp_path: Path) -> None:
    """What the others have heard since has higher versions than the copy: they hear of it once more."""
    file = tmp_path / "peerly.backup"
    async with installation(scratch, tmp_path) as peerly:
        company = await peerly.company()
        admin, root = company.admin.token, (await peerly.super_admin()).token
        given = await thanks(peerly, company, "Kept")
        await hi5(peerly, company.colleague.token, given)
        assert (await operator(scratch, tmp_path, "backup", str(file)))[0] == 0
        begins = int(time.time()) + 3_600
        window = {"starts_at": begins, "ends_at": begins + 60, "message": "Not in the copy"}
        window_id = (await peerly.expect(201, "POST", "/maintenance-windows", token=root, body=window))["id"]
        await peerly.expect(200, "DELETE", f"/users/{company.colleague.id}", token=admin)
        for name in ("Eva", "Ewa", "Eve"):
            await renamed(peerly, company.employee, name)
        limit = f"/organisations/{company.id}"
        await peerly.expect(200, "PATCH", limit, token=admin, body={"hi5_limit": 1})
        await eventually(lambda: known(scratch, company, active=False, limit=1, windows=[window_id]), within=30)
        code, _, errors = await operator(scratch, tmp_path, "restore", str(file), "--service", "auth")
        assert code == 0, errors
        await eventually(lambda: known(scratch, company, active=True, limit=1_000_000, windows=[]), within=60)
        colleague = await eventually(lambda: peerly.sign_in(company.colleague.email), within=30)
        another = await thanks(peerly, company, "After the restore")
        await eventually(lambda: hi5(peerly, colleague.token, another), within=30)
        await renamed(peerly, await peerly.sign_in(company.employee.email), "Elsa")
        await peerly.expect(
            200, "PATCH", limit, token=(await peerly.sign_in(company.admin.email)).token, body={"hi5_limit": 7}
        )
        await eventually(lambda: known(scratch, company, active=True, limit=7, windows=[], name="Elsa"), within=30)
        await eventually(lambda: nothing_waits(scratch), within=30)
        await eventually(lambda: proved(scratch, tmp_path), within=60, every=1)


async def renamed(peerly: Installation, person: Member, name: str) -> None:
    body = {"first_name": name, "last_name": "Tester", "display_name": name}
    await peerly.expect(200, "PUT", "/users/me", token=person.token, body=body)


async def known(
    database: ScratchDatabase,
    company: Company,
    *,
    active: bool,
    limit: int,
    windows: list[int],
    name: str | None = None,
) -> None:
    """What every other service knows of the colleague, the organisation, the planned windows and the employee."""
    admin = await asyncpg.connect(database.admin_url)
    try:
        for service in ("recognition", "quota", "moderation"):
            of_member = f"SELECT active FROM {service}.members WHERE user_id = $1"
            assert await admin.fetchval(of_member, company.colleague.id) is active, service
            of_organisation = f"SELECT hi5_limit FROM {service}.organisations WHERE org_id = $1"
            assert await admin.fetchval(of_organisation, company.id) == limit, service
            planned = await admin.fetch(f"SELECT id FROM {service}.maintenance_windows WHERE NOT removed")
            assert [row["id"] for row in planned] == windows, service
            if name is not None:
                of_member = f"SELECT first_name FROM {service}.members WHERE user_id = $1"
                assert await admin.fetchval(of_member, company.employee.id) == name, service
    finally:
        await admin.close()


async def test_everything_comes_up_again_on_another_machine(scratch: ScratchDatabase, tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "peerly.backup"
    old.mkdir()
    async with installation(scratch, old) as peerly:
        company = await peerly.company()
        await hi5(peerly, company.employee.token, await thanks(peerly, company, "Kept"))
        await eventually(lambda: spent(peerly, company.employee.token, 1))
        await eventually(lambda: proved(scratch, old), within=30, every=1)
        assert (await operator(scratch, old, "backup", str(file)))[0] == 0
        code, _, errors = await operator(scratch, old, "backup", str(file))
        assert code == 2
        assert "never replaces another one" in errors
        code, _, errors = await operator(scratch, old, "restore", str(file))
        assert code == 2
        assert "Stop it first" in errors
    code, out, errors = await operator(None, new, "restore", str(file))
    assert code == 0, errors
    assert "Restored" in out
    await proved(None, new)
    code, _, errors = await operator(None, new, "restore", str(file))
    assert code == 2
    assert "--replace" in errors
    assert (await operator(None, new, "restore", str(file), "--replace"))[0] == 0
    code, out, _ = await operator(None, new, "doctor", "--json")
    assert [check["check"] for check in json.loads(out)["checks"] if not check["ok"]] == []


async def test_a_newer_backup_and_a_file_that_is_none_are_refused_with_words(
    scratch: ScratchDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "peerly.backup"
    admin = await asyncpg.connect(scratch.admin_url)
    try:
        await admin.execute("INSERT INTO quota.schema_migrations VALUES ('own/9999_later.sql', 'x')")
        assert (await operator(scratch, tmp_path, "backup", str(file)))[0] == 0
        await admin.execute("DELETE FROM quota.schema_migrations WHERE name = 'own/9999_later.sql'")
        before = await admin.fetchval("SELECT epoch FROM quota.outbox_epoch")
        for words in (["--replace"], ["--service", "quota"]):
            code, _, errors = await operator(scratch, tmp_path, "restore", str(file), *words)
            assert code == 2
            assert "The backup is newer than this software: quota has own/9999_later.sql" in errors
        (tmp_path / "letter").write_text("Dear all,")
        code, _, errors = await operator(scratch, tmp_path, "restore", str(tmp_path / "letter"), "--replace")
        assert code == 2
        assert "pg_restore failed" in errors
        assert await admin.fetchval("SELECT epoch FROM quota.outbox_epoch") == before
    finally:
        await admin.close()


async def test_missing_programs_are_named() -> None:
    with pytest.raises(CannotDo, match="pg_dump, pg_restore, psql of PostgreSQL 99 or newer"):
        await find(99)


@pytest.mark.parametrize("word", ["backup", "restore", "doctor"])
async def test_each_word_has_help(tmp_path: Path, word: str) -> None:
    code, out, errors = await operator(None, tmp_path / "none", word, "--help")
    assert (code, errors) == (0, "")
    assert out.startswith(f"usage: python -m services {word} ")
    assert not (tmp_path / "none").exists()
