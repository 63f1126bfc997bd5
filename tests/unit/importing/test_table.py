"""CSV files as people have them: marks, delimiters, line breaks in cells, and rows that are none."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.importing.table import LONGEST_LINE, Row, Table, Unusable

COLUMNS = {"email", "first_name", "last_name", "role_id", "text"}


def rows_of(path: Path, content: bytes | str) -> list[Row]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with Table(path, COLUMNS) as table:
        return list(table.rows())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


def test_a_row_begins_where_its_first_line_is(path: Path) -> None:
    rows = rows_of(path, 'email,text\na@x.test,"one\ntwo\n"\n\nb@x.test,three\n')
    assert rows == [Row(2, ("a@x.test", "one\ntwo\n")), Row(6, ("b@x.test", "three"))]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_told_by_the_header(path: Path, delimiter: str) -> None:
    rows = rows_of(path, f"email{delimiter}text\r\na@x.test{delimiter}hello\r\n")
    assert rows == [Row(2, ("a@x.test", "hello"))]


def test_a_byte_order_mark_belongs_to_no_column(path: Path) -> None:
    path.write_bytes("\ufeffEmail, Role \na@x.test,3".encode())
    with Table(path, COLUMNS) as table:
        assert table.columns == ("email", "role_id")
        assert table.values(next(table.rows())) == {"email": "a@x.test", "role_id": "3"}


def test_blank_rows_are_no_rows(path: Path) -> None:
    assert rows_of(path, "email,text\n\n , \n,\na@x.test,1\n") == [Row(5, ("a@x.test", "1"))]


def test_an_empty_cell_is_a_value_left_out(path: Path) -> None:
    path.write_text("email,text,role_id\na@x.test, ,\n")
    with Table(path, COLUMNS) as table:
        assert table.values(next(table.rows())) == {"email": "a@x.test"}


def test_a_row_of_another_width_is_a_problem(path: Path) -> None:
    short, long = rows_of(path, "email,text\na@x.test\nb@x.test,1,2\n")
    assert short.problem == "has 1 cells where the header has 2"
    assert long.problem == "has 3 cells where the header has 2"


def test_bytes_that_are_no_utf8_spoil_their_own_row(path: Path) -> None:
    spoilt, good = rows_of(path, b"email,text\na@x.test,gr\xfc\xdfe\nb@x.test,hello\n")
    assert spoilt.problem is not None
    assert "UTF-8" in spoilt.problem
    assert good == Row(3, ("b@x.test", "hello"))


def test_a_quotation_mark_that_is_never_closed_spoils_its_own_line(path: Path) -> None:
    spoilt, *good = rows_of(path, 'email,text\n"a@x.test,1\nb@x.test,2\nc@x.test,3\n')
    assert (spoilt.line, spoilt.cells) == (2, ('"a@x.test,1',))
    assert spoilt.problem is not None
    assert good == [Row(3, ("b@x.test", "2")), Row(4, ("c@x.test", "3"))]


def test_text_after_a_closing_mark_spoils_its_own_line(path: Path) -> None:
    spoilt, good = rows_of(path, 'email,text\na@x.test,"1"2\nb@x.test,2\n')
    assert (spoilt.line, good) == (2, Row(3, ("b@x.test", "2")))
    assert spoilt.problem is not None


def test_an_endless_cell_spoils_its_own_line(path: Path) -> None:
    others = "b@x.test,2\n" * 20_000
    spoilt, *good = rows_of(path, f'email,text\na@x.test,"1\n{others}')
    assert spoilt.line == 2
    assert spoilt.problem is not None
    assert (good[0].line, good[-1].line, len(good)) == (3, 20_002, 20_000)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        ("email,text\n".encode("utf-16"), "CSV UTF-8"),
        (b"email,text,Email\n", "twice"),
        (b"email,role,role_id\n", "twice"),
        (b"x" * LONGEST_LINE, "longer"),
    ],
)
def test_a_file_without_a_usable_header_is_refused(path: Path, content: bytes, word: str) -> None:
    with pytest.raises(Unusable, match=word):
        rows_of(path, content)


CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30).filter(
    lambda cell: not cell.isspace()
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(CELL, CELL), max_size=20), st.sampled_from([",", ";", "\t"]))
def test_what_was_written_is_read_at_its_line(path: Path, written: list[tuple[str, str]], delimiter: str) -> None:
    lines = []
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        for cells in [("email", "text"), *written]:
            writer.writerow(cells)
            file.flush()
            lines.append(path.read_bytes())
    with Table(path, COLUMNS) as table:
        rows = list(table.rows())
    assert [row.cells for row in rows] == written
    assert [row.problem for row in rows] == [None] * len(written)
    assert [row.line for row in rows] == [_line_breaks(before) + 1 for before in lines[:-1]]


def _line_breaks(content: bytes) -> int:
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
