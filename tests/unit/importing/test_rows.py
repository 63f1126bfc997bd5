"""What the cells of a row may say, and which kind of file a header tells."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import marshmallow as ma
import pytest

from services.importing import rows
from services.importing.kinds import COLUMNS, ignored, kind_of
from services.importing.table import Table, Unusable
from shared.identity import Role

PERSON = {"email": "a@x.test", "first_name": "A", "last_name": "B"}
VALUE = {"text": "Courage", "description": "Dare"}
THANKS = {
    "given_by": "a@x.test",
    "given_for": "b@x.test",
    "core_value": "Courage",
    "text": "Well done",
    "given_at": "2024-03-05",
}


@pytest.mark.parametrize(
    ("word", "role"),
    [
        ("2", Role.ORGANISATION_ADMIN),
        ("employee", Role.EMPLOYEE),
        ("Moderator", Role.MODERATOR),
        ("organisation admin", Role.ORGANISATION_ADMIN),
    ],
)
def test_a_role_is_an_id_or_a_name(word: str, role: Role) -> None:
    assert rows.PERSON.load({**PERSON, "role_id": word})["role_id"] is role


@pytest.mark.parametrize("word", ["1", "super_admin", "5", "boss", "-3", "3.0"])
def test_other_roles_are_refused(word: str) -> None:
    assert _wrong(rows.PERSON, {**PERSON, "role_id": word}) == ["role_id"]


def test_a_person_may_come_with_phone_and_department() -> None:
    found = {"phone": "+49 30 901820", "department": "Algebra"}
    assert rows.PERSON.load({**PERSON, **found}) | found == rows.PERSON.load({**PERSON, **found})
    assert _wrong(rows.PERSON, {**PERSON, "phone": "none"}) == ["phone"]


def test_who_has_no_role_is_an_employee() -> None:
    assert rows.PERSON.load(PERSON)["role_id"] is Role.EMPLOYEE


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-03-05T14:30:00+01:00", datetime(2024, 3, 5, 13, 30, tzinfo=UTC)),
        ("2024-03-05T14:30:00Z", datetime(2024, 3, 5, 14, 30, tzinfo=UTC)),
        ("2024-03-05 14:30", datetime(2024, 3, 5, 14, 30, tzinfo=UTC)),
        ("2024-03-05", datetime(2024, 3, 5, tzinfo=UTC)),
        ("1709648999", datetime(2024, 3, 5, 14, 29, 59, tzinfo=UTC)),
    ],
)
def test_a_moment_is_iso_8601_or_epoch_seconds(text: str, moment: datetime) -> None:
    assert rows.RECOGNITION.load({**THANKS, "given_at": text})["given_at"] == moment


@pytest.mark.parametrize(
    "text", ["yesterday", "05/03/2024", "20240305", "1e9", "-5", "1969-12-31", "99999999999999999999", "0001-01-01"]
)
def test_other_moments_are_refused(text: str) -> None:
    assert _wrong(rows.RECOGNITION, {**THANKS, "given_at": text}) == ["given_at"]


def test_every_wrong_cell_is_named() -> None:
    wrong = _wrong(rows.RECOGNITION, {"given_by": "nobody", "text": "x" * 1001, "given_at": "never", "core_value": "C"})
    assert wrong == ["given_at", "given_by", "given_for", "text"]


def test_half_a_surrogate_pair_and_nul_are_refused() -> None:
    assert _wrong(rows.CORE_VALUE, {"text": "a\0", "description": "\udcff"}) == ["description", "text"]


def test_one_way_to_name_a_parent_is_enough() -> None:
    assert _wrong(rows.CORE_VALUE, {**VALUE, "parent": "Heart", "parent_core_value_id": "3"}) == ["parent"]
    assert rows.CORE_VALUE.load({**VALUE, "parent_core_value_id": "3"})["parent_core_value_id"] == 3


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("email,first_name,last_name,department", "people"),
        ("description,text", "core values"),
        ("text,given_at,core_value,given_for,given_by", "recognitions"),
        ("line,reason,text,given_at,core_value,given_for,given_by,description", "recognitions"),
    ],
)
def test_the_header_tells_the_kind(tmp_path: Path, header: str, kind: str) -> None:
    with _table(tmp_path, header) as table:
        assert kind_of(table).name == kind


def test_columns_of_no_meaning_are_named(tmp_path: Path) -> None:
    with _table(tmp_path, "line,reason,email,first_name,last_name,phone,department,room,shoes") as table:
        assert ignored(table, kind_of(table)) == ["room", "shoes"]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("email,first_name", "looks like people, but its header lacks: last_name"),
        ("given_by,given_for,text,core_value", "looks like recognitions, but its header lacks: given_at"),
        ("alpha,beta", "names no kind of rows"),
    ],
)
def test_a_header_of_no_kind_is_refused_with_what_is_missing(tmp_path: Path, header: str, words: str) -> None:
    with _table(tmp_path, header) as table, pytest.raises(Unusable, match=words):
        kind_of(table)


def _table(folder: Path, header: str) -> Table:
    path = folder / "rows.csv"
    path.write_text(f"{header}\n")
    return Table(path, COLUMNS)


def _wrong(schema: ma.Schema, values: dict[str, Any]) -> list[str]:
    with pytest.raises(ma.ValidationError) as refused:
        schema.load(values)
    return sorted(refused.value.messages_dict)
