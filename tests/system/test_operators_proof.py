"""`python -m services proof` on books that somebody has tampered with, one invariant after the other."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import asyncpg

from services.connections import SERVICE_NAMES, Addresses
from services.proof import Finding, findings
from tests.support.databases import ScratchDatabase
from tests.support.installation import ROOT, Company, Installation, installation
from tests.support.waiting import eventually

PAST_TRIGGERS = {"session_replication_role": "replica"}
TAMPERINGS = [
    (
        """
        ALTER TABLE recognition.allowances DROP CONSTRAINT allowances_never_overspent;
        UPDATE recognition.allowances SET granted = 0
        """,
        "UPDATE recognition.allowances SET granted = 1000000",
        {"I1": "overspent 1", "I6": " = "},
    ),
    (
        "ALTER TABLE recognition.spends DROP CONSTRAINT spends_check1; UPDATE recognition.spends SET target = 0",
        "UPDATE recognition.spends SET target = 1000000",
        {"I2": "beyond_their_limit 1"},
    ),
    (
        "UPDATE recognition.received_counts SET count = count + 1",
        "UPDATE recognition.received_counts SET count = count - 1",
        {"I3": "people 1"},
    ),
    (
        """
        DROP INDEX recognition.hi5s_once;
        INSERT INTO recognition.hi5s (org_id, recognition_id, given_by, given_at)
        SELECT org_id, recognition_id, given_by, given_at FROM recognition.hi5s
        """,
        "DELETE FROM recognition.hi5s WHERE id = (SELECT max(id) FROM recognition.hi5s)",
        {"I3": "hi5s 1", "I4": "givers 1"},
    ),
    (
        "UPDATE quota.accounts SET balance = balance + 1 WHERE account = 'spent'",
        "UPDATE quota.accounts SET balance = balance - 1 WHERE account = 'spent'",
        {"I5": "differing 1", "I7": "sum_of_accounts 1", "R4": "differing_accounts 1"},
    ),
    (
        "UPDATE recognition.allowances SET ends_at = ends_at + interval '1 second'",
        "UPDATE recognition.allowances SET ends_at = ends_at - interval '1 second'",
        {"I6": " = "},
    ),
    (
        "UPDATE quota.postings SET amount = amount + 1 WHERE account = 'spent'",
        "UPDATE quota.postings SET amount = amount - 1 WHERE account = 'spent'",
        {"I5": "differing 1", "I7": "unbalanced_entries 1"},
    ),
    (
        "INSERT INTO quota.dead (body, reason) VALUES ('x', 'a test')",
        "DELETE FROM quota.dead",
        {"I8": "dead 1"},
    ),
    (
        "UPDATE quota.organisations SET hi5_limit = hi5_limit + 1",
        "UPDATE quota.organisations SET hi5_limit = hi5_limit - 1",
        {"I9": "outdated_policies 1"},
    ),
    (
        "UPDATE recognition.recognitions SET hidden = true",
        "UPDATE recognition.recognitions SET hidden = false",
        {"I3": "people 1", "I10": "kept_by_hidden 1"},
    ),
]


def broken(found: list[Finding]) -> dict[str, str]:
    return {one.id: one.result for one in found if one.verdict == "BROKEN"}


async def a_hi5(peerly: Installation) -> Company:
    company = await peerly.company()
    token = company.admin.token
    value = {"text": "Courage", "description": "Dare to say it"}
    value_id = (await peerly.expect(201, "POST", "/core_values", token=token, body=value))["id"]
    thanks = {"given_for": company.moderator.id, "core_value_id": value_id, "text": "Thank you"}
    made = (await peerly.expect(201, "POST", "/recognitions", token=token, body=thanks))["id"]
    await peerly.expect(201, "POST", f"/recognitions/{made}/hi5", token=company.employee.token)
    return company


async def test_each_broken_invariant_is_said_with_what_differs(scratch: ScratchDatabase, tmp_path: Path) -> None:
    where = Addresses(scratch.admin_url, {name: scratch.url(name) for name in SERVICE_NAMES})

    async def sound() -> None:
        assert broken(await findings(where)) == {}

    async with installation(scratch, tmp_path) as peerly:
        await a_hi5(peerly)
        await eventually(sound, within=30)
    admin = await asyncpg.connect(scratch.admin_url, server_settings=PAST_TRIGGERS)
    try:
        for tampering, mending, expected in TAMPERINGS:
            await admin.execute(tampering)
            found = broken(await findings(where))
            assert set(found) == set(expected), tampering
            assert all(words in found[id_] for id_, words in expected.items()), found
            await admin.execute(mending)
            await sound()
        assert {id_ for *_, expected in TAMPERINGS for id_ in expected} >= {f"I{number}" for number in range(1, 11)}
        await admin.execute(TAMPERINGS[2][0])
        assert "BROKEN" in await said(scratch, tmp_path)
    finally:
        await admin.close()


HIDE_SPENDS = "UPDATE quota.inbox_positions SET positions = '{}' WHERE type = 'Hi5Spent.v1'"
PARK = """
INSERT INTO quota.parked (event_id, type, body, waits_for, reason, tries, next_try_at)
VALUES (gen_random_uuid(), 'Hi5Spent.v1', '', %s, 'a test', 0, now())
"""
UNSENT = """
INSERT INTO recognition.outbox (org_id, type, subject, data, bulk)
SELECT org_id, 'CoreValueCreated.v1', 'core_value/0', '{}', true FROM recognition.allowances
"""


async def test_what_is_on_its_way_is_told_from_what_is_broken(scratch: ScratchDatabase, tmp_path: Path) -> None:
    """A copy of the system at rest, in which some events have not been sent, others were not taken."""
    where = Addresses(scratch.admin_url, {name: scratch.url(name) for name in SERVICE_NAMES})

    async def verdicts() -> dict[str, str]:
        return {one.id: one.verdict for one in await findings(where) if not one.holds}

    async def sound() -> None:
        assert await verdicts() == {}

    async with installation(scratch, tmp_path) as peerly:
        await a_hi5(peerly)
        await eventually(sound, within=30)
    admin = await asyncpg.connect(scratch.admin_url, server_settings=PAST_TRIGGERS)
    try:
        await admin.execute(UNSENT)
        assert await verdicts() == {"I8": "waits"}
        assert "waits" in await said(scratch, tmp_path, code=3, ends=", 1 wait, 0 broken")
        await admin.execute("INSERT INTO recognition.dead (body, reason) VALUES ('x', 'a test')")
        assert await verdicts() == {"I8": "BROKEN"}
        await admin.execute("DELETE FROM recognition.dead; DELETE FROM recognition.outbox WHERE bulk")
        await admin.execute("UPDATE recognition.allowances SET ends_at = ends_at + interval '1 second'")
        await admin.execute(PARK % "'allowance:1:1'")
        assert await verdicts() == {"I6": "BROKEN", "I8": "BROKEN"}
        await admin.execute(HIDE_SPENDS)
        assert await verdicts() == {"I6": "waits", "I8": "waits"}
        await admin.execute(PARK % "NULL")
        assert await verdicts() == {"I6": "waits", "I8": "BROKEN"}
        await admin.execute("UPDATE recognition.received_counts SET count = count + 1")
        assert (await verdicts())["I3"] == "BROKEN"
    finally:
        await admin.close()


async def said(database: ScratchDatabase, folder: Path, code: int = 1, ends: str = ", 1 broken") -> str:
    """By the command."""
    password = database.password or "not asked for"
    told = {**os.environ, "DATABASE_URL": database.admin_url, "PEERLY_DATA_DIR": str(folder)}
    told |= {f"PEERLY_{name.upper()}_DATABASE_PASSWORD": password for name in SERVICE_NAMES}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", "proof", cwd=ROOT, env=told, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == code
    assert out.decode().splitlines()[-1].endswith(ends)
    return out.decode()
