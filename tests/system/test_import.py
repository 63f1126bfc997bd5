"""The import as a person starts it: a process of its own beside services that run or rest."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from services.connections import SERVICE_NAMES
from services.migrations import migrate_all
from tests.support.databases import PASSWORD, ScratchDatabase
from tests.support.installation import installation
from tests.support.moving_in import PEOPLE, THANKS, VALUES, Company, founded, people, read, settled, thanks
from tests.support.servers_postgres import PrivatePostgres
from tests.support.waiting import eventually


@pytest.fixture
async def company(scratch: ScratchDatabase, tmp_path: Path) -> AsyncIterator[Company]:
    async with founded(scratch, tmp_path) as made:
        yield made


async def test_a_company_moves_in_while_no_service_runs(company: Company) -> None:
    first = await company.bring(people(company, 10))
    assert first.code == 0, first.err
    assert "10 rows read: 10 new, 0 unchanged, 0 rejected" in first.out
    assert "not looked at: desk" in first.out
    tree = [("Speak up", "Early", "courage"), ("Aloud", "Too", "SPEAK UP"), ("Courage", "Dare", "")]
    assert "3 new" in (await company.bring(company.write("values.csv", VALUES, *tree))).out
    assert "50 new" in (await company.bring(thanks(company, 50, among=10))).out
    rows = await company.admin.fetch("SELECT * FROM recognition.recognitions ORDER BY given_at")
    assert [row["given_at"] for row in rows[:2]] == [datetime.fromtimestamp(1_600_000_000 + one, UTC) for one in (0, 1)]
    assert rows[0]["text"] == "Thank you,\nonce 0"
    assert all(row["imported"] for row in rows)


async def test_all_of_it_is_published_and_costs_nothing(company: Company) -> None:
    await settled(company)
    await company.bring(thanks(company, 20, among=10))
    types = "SELECT type, count(*) FROM {}.outbox WHERE type NOT LIKE 'Organisation%' GROUP BY type ORDER BY type"
    told = [tuple(row) for name in ("auth", "recognition") for row in await company.admin.fetch(types.format(name))]
    assert told == [("UserJoined.v1", 10), ("CoreValueCreated.v1", 1), ("RecognitionGiven.v1", 20)]
    given = 'SELECT count(*) FROM recognition.outbox WHERE data @> \'{"imported": true, "cost": 0, "allowance": null}\''
    assert await company.count(given) == 20
    assert await company.count("SELECT count(*) FROM recognition.allowances") == 0
    fresh = "SELECT count(*) FROM {}.outbox WHERE NOT bulk AND type NOT LIKE 'Organisation%'"
    assert [await company.count(fresh.format(name)) for name in ("auth", "recognition")] == [0, 0]


async def test_the_same_files_again_change_nothing(company: Company) -> None:
    await settled(company)
    files = [people(company, 10), company.folder / "values.csv", thanks(company, 50, among=10)]
    await company.bring(files[2])
    before = await company.state()
    again = [await company.bring(file) for file in files]
    assert [ended.code for ended in again] == [0, 0, 0]
    assert all("0 new" in ended.out for ended in again)
    assert await company.state() == before


async def test_another_spelling_is_the_same_recognition(company: Company) -> None:
    await settled(company)
    header = (*THANKS[1:], THANKS[0])
    one = ("p2@globex.test", "Courage", "Thanks", "2024-03-05T10:00:00+01:00", "p1@globex.test")
    other = ("P2@GLOBEX.TEST", " courage ", "Thanks ", "2024-03-05 09:00:00Z", "p1@globex.test")
    ended = await company.bring(company.write("recognitions.csv", header, one, other))
    assert "1 new, 1 unchanged, 0 rejected" in ended.out


async def test_an_external_id_tells_two_alike_apart(company: Company) -> None:
    await settled(company)
    row = ("p1@globex.test", "p2@globex.test", "Courage", "Thanks", "2024-03-05")
    file = company.write("recognitions.csv", (*THANKS, "external_id"), (*row, "a"), (*row, "b"), (*row, "a"))
    assert "2 new, 1 unchanged" in (await company.bring(file)).out


async def test_bad_rows_are_reported_and_good_ones_taken(company: Company) -> None:
    await settled(company)
    good = ("p1@globex.test", "p2@globex.test", "Courage", "Thanks", "2024-03-05")
    bad = {
        3: ((*good[:4], "soon"), "given_at: Must be a date"),
        4: (("p1@globex.test", "p1@globex.test", *good[2:]), "given_for: Nobody gives a recognition to themselves"),
        5: (("p1@globex.test", "x@globex.test", *good[2:]), "given_for: Nobody of this organisation has this address"),
        6: ((*good[:2], "Greed", *good[3:]), "core_value: No core value has this text"),
        7: ((*good[:4], "2999-01-01"), "given_at: Lies in the future"),
        8: ((*good[:3], "", "2024-03-05"), "text: Missing data for required field."),
        9: (good[:4], "has 4 cells where the header has 5"),
    }
    last = ("p3@globex.test", *good[1:])
    file = company.write("recognitions.csv", THANKS, good, *(row for row, _ in bad.values()), last)
    ended = await company.bring(file, "--batch", "4")
    assert ended.code == 1
    assert "9 rows read: 2 new, 0 unchanged, 7 rejected" in ended.out
    rejected = read(company.folder / "recognitions.rejects.csv")
    assert [int(row["line"]) for row in rejected] == list(bad)
    for row, (cells, reason) in zip(rejected, bad.values(), strict=True):
        assert row["reason"].startswith(reason)
        assert tuple(row[column] for column in THANKS)[: len(cells)] == cells


async def test_people_from_elsewhere_are_rejected(company: Company) -> None:
    file = company.write(
        "people.csv",
        PEOPLE,
        ("a@globex.test", "A", "A", "2", ""),
        ("b@sub.globex.test", "B", "B", "3", ""),
        ("c@xn--bcher-kva.globex.test", "C", "C", "3", ""),
        ("d@globex.test", "D", "D", "super_admin", ""),
        ("not an address", "E", "E", "3", ""),
        ("A@Globex.test", "Again", "A", "3", ""),
    )
    ended = await company.bring(file, "--rejects", str(company.folder / "bad.csv"))
    assert "2 new, 1 unchanged, 3 rejected" in ended.out
    reasons = {row["email"]: row["reason"].split(":")[0] for row in read(company.folder / "bad.csv")}
    assert reasons == {"b@sub.globex.test": "email", "d@globex.test": "role_id", "not an address": "email"}
    assert await company.count("SELECT role_id FROM auth.users WHERE email = 'a@globex.test'") == 2


async def test_core_values_that_do_not_fit_the_tree_are_rejected(company: Company) -> None:
    rows = [("A", "a", ""), ("B", "b", "A"), ("C", "c", "B"), ("D", "d", "C"), ("E", "e", "F"), ("a", "again", "E")]
    ended = await company.bring(company.write("values.csv", VALUES, *rows), "--batch", "2")
    assert "3 new, 1 unchanged, 2 rejected" in ended.out
    reasons = {row["text"]: row["reason"] for row in read(company.folder / "values.rejects.csv")}
    assert "at most 3 levels" in reasons["D"]
    assert "No core value has this text" in reasons["E"]


async def test_the_file_of_rejected_rows_can_be_mended_and_imported(company: Company) -> None:
    await settled(company)
    good = ("p1@globex.test", "p2@globex.test", "Courage", "Thanks", "2024-03-05")
    await company.bring(company.write("recognitions.csv", THANKS, (*good[:4], "soon"), (*good[:4], "later")))
    rejects = company.folder / "recognitions.rejects.csv"
    rejects.write_text(rejects.read_text().replace(",soon", ",2024-03-05"))
    ended = await company.bring(rejects, "--rejects", str(company.folder / "still.csv"))
    assert "1 new, 0 unchanged, 1 rejected" in ended.out
    assert list(read(company.folder / "still.csv")[0]) == ["line", "reason", *THANKS]


async def test_killed_in_the_middle_it_goes_on_where_it_was(company: Company) -> None:
    await settled(company)
    file = thanks(company, 4_000, among=10)
    process = await company.start(file, "--batch", "20")
    await eventually(lambda: company.count("SELECT (count(*) >= 100)::int FROM recognition.recognitions"))
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert await company.count("SELECT count(*) FROM recognition.recognitions") < 4_000
    ended = await company.bring(file)
    new, unchanged = (int(number.replace(",", "")) for number in re.findall(r"([\d,]+) (?:new|unchanged)", ended.out))
    assert new > 0
    assert unchanged >= 100
    assert unchanged % 20 == 0
    assert new + unchanged == 4_000
    assert await company.count("SELECT count(DISTINCT text) FROM recognition.recognitions") == 4_000
    assert await company.count("SELECT count(*) FROM recognition.outbox WHERE type = 'RecognitionGiven.v1'") == 4_000


@pytest.mark.fault
async def test_a_database_that_restarts_only_makes_it_wait(tmp_path: Path) -> None:
    async with PrivatePostgres(tmp_path / "postgres") as server:
        await migrate_all(server.url, dict.fromkeys(SERVICE_NAMES, PASSWORD))
        async with founded(ScratchDatabase(server.url, PASSWORD), tmp_path) as company:
            await settled(company)
            process = await company.start(thanks(company, 4_000, among=10), "--batch", "20")
            await eventually(lambda: company.count("SELECT count(*) FROM recognition.recognitions"))
            await server.restart()
            out, err = await process.communicate()
        assert process.returncode == 0, err
        assert b"4,000 rows read" in out
        async with founded(ScratchDatabase(server.url, PASSWORD), tmp_path, "again.test") as company:
            assert await company.count("SELECT count(*) FROM recognition.recognitions") == 4_000
            told = "SELECT count(*) FROM recognition.outbox WHERE type = 'RecognitionGiven.v1'"
            assert await company.count(told) == 4_000


async def test_interrupted_it_says_how_to_go_on(company: Company) -> None:
    await settled(company)
    process = await company.start(thanks(company, 4_000, among=10), "--batch", "20")
    await eventually(lambda: company.count("SELECT count(*) FROM recognition.recognitions"))
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == 130
    assert b"start the same import again" in err


async def test_memory_does_not_grow_with_the_file(company: Company) -> None:
    await settled(company)
    ended = await company.bring(thanks(company, 10_000, among=10))
    assert "10,000 new" in ended.out
    assert ended.most_bytes < 150 * 2**20


async def test_two_imports_of_one_file_at_once_take_every_row_once(company: Company) -> None:
    await settled(company)
    file = thanks(company, 1_000, among=10)
    ends = await asyncio.gather(*(company.bring(file, "--batch", "100") for _ in range(2)))
    assert [ended.code for ended in ends] == [0, 0], [ended.err for ended in ends]
    assert await company.count("SELECT count(*) FROM recognition.recognitions") == 1_000
    assert await company.count("SELECT count(*) FROM recognition.outbox WHERE type = 'RecognitionGiven.v1'") == 1_000


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (None, [], "cannot be read: No such file"),
        ("", [], "is empty"),
        ("email,first_name\n", [], "lacks: last_name"),
        ("text,description\nA,b\n", ["--batch", "0"], "must be 1 to"),
        ("text,description\nA,b\n", ["--rejects", "{file}"], "--rejects names the file that is imported"),
        ("text,description\nA\n", ["--rejects", "/dev/null/rejects.csv"], "cannot be written"),
    ],
)
async def test_unusable_input_is_code_2_and_a_sentence(
    company: Company, content: str | None, options: list[str], words: str
) -> None:
    file = company.folder / "input.csv"
    if content is not None:
        file.write_text(content)
    ended = await company.bring(file, *(option.format(file=file) for option in options))
    assert ended.code == 2
    assert words in ended.err
    assert "Traceback" not in ended.err


async def test_an_unknown_organisation_is_refused_with_those_that_there_are(company: Company) -> None:
    ended = await company.bring(people(company, 1), org_id=company.org_id + 7)
    assert ended.code == 2
    assert f"There is no organisation {company.org_id + 7}" in ended.err
    assert f"{company.org_id} (Globex)" in ended.err


async def test_an_empty_database_is_no_traceback(company: Company) -> None:
    await company.admin.execute("DROP SCHEMA recognition CASCADE")
    ended = await company.bring(company.write("values.csv", VALUES, ("Courage", "Dare", "")))
    assert ended.code == 2
    assert "start Peerly once" in ended.err


async def test_beside_running_services_everybody_hears_of_it(company: Company) -> None:
    await settled(company)
    async with installation(company.scratch, company.folder) as running:
        await company.bring(people(company, 12))
        await company.bring(thanks(company, 30, among=12))
        root = await running.super_admin()

        async def feed() -> Any:
            query = {"org_id": str(company.org_id), "limit": "100"}
            return await running.expect(200, "GET", "/recognitions", token=root.token, params=query)

        async def names_are_known() -> bool:
            return all(row["given_by_user"]["first_name"] for row in await feed())

        assert len(await feed()) == 30
        await eventually(names_are_known, within=15)
        newest = (await feed())[0]
        assert newest["given_at"] == 1_600_000_029
        report = {"mark_as": "incorrect", "reason": "It was two of us"}
        member = await running.sign_in("p3@globex.test")

        async def is_reported() -> bool:
            reply = await running.ask("POST", f"/recognitions/{newest['id']}/report", token=member.token, body=report)
            return reply.status == 201

        await eventually(is_reported, within=15)

        async def all_is_sent() -> bool:
            unsent = "SELECT count(*) FROM {}.outbox WHERE sent_at IS NULL"
            return not [one for one in ("auth", "recognition") if await company.count(unsent.format(one))]

        await eventually(all_is_sent, within=15)
        assert await company.count("SELECT count(*) FROM quota.entries") == 0
