"""The query engine without a database: both written forms, their statements, cursors, and every error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import marshmallow as ma
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import InvalidData
from shared.http import Page, PageQuery
from shared.http.fields import Count, Id, Text
from shared.http.parsing import load
from shared.query import Asked, Field, Index, Kind, asked_in, cursors, in_query_string
from shared.query.declaration import ID_OPERATORS, moment
from shared.query.schemas import body_schema, parameters, partly, sort_keys
from shared.query.statement import Statement, plan

SORT_BY = "With these filters sort by one of:"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Thing(ma.Schema):
    id = Id(required=True)
    name = ma.fields.String(required=True)


THINGS = Kind(
    table="things",
    visible="NOT hidden",
    document="(SELECT document(things, {now}) FROM things WHERE id = page.id)",
    answer=Thing(),
    fields={
        "id": Field(column="id", type="bigint", value=Id(), operators=ID_OPERATORS),
        "owner": Field(column="owner_id", type="bigint", value=Id(), operators=("eq", "in")),
        "level": Field(column="level", type="smallint", value=Count(1, 4), operators=("ne", "in"), among=(1, 2, 3, 4)),
        "name": Field(column="folded", type="text", value=Text(1, 50), operators=("eq", "prefix"), fold=str.lower),
        "made_at": moment("made_at"),
    },
    indexes=(
        Index(by="id", order=("id",), unique=True),
        Index(by="owner", order=("-made_at", "-id"), also=frozenset({"level", "name"})),
        Index(by="level", order=("id",)),
        Index(by="name", order=("id",)),
        Index(order=("id",)),
        Index(order=("-made_at", "-id")),
        Index(order=("name", "id")),
    ),
)
BODY = body_schema(THINGS, "Thing")
PARAMETERS = in_query_string(THINGS, PageQuery)


def of_body(body: dict[str, Any]) -> Asked:
    loaded = load(BODY, body, "Wrong")
    return Asked((loaded.get("filter", {}),), loaded.get("sort"), loaded.get("fields_"), Page.of(loaded))


def of_parameters(sent: dict[str, str]) -> Asked:
    loaded = load(PARAMETERS, sent, "Wrong")
    asked = asked_in(THINGS, loaded)
    return Asked((), None, None, Page.of(loaded)) if asked is None else asked


def page_of(asked: Asked) -> Statement:
    return plan(THINGS, asked, NOW, "Wrong").page


def outcome(asked: Asked) -> Any:
    try:
        planned = plan(THINGS, asked, NOW, "Wrong")
    except InvalidData as refusal:
        return refusal.fields
    return planned


def errors(body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(InvalidData) as refusal:
        page_of(of_body(body))
    return refusal.value.fields


def a_value(name: str) -> st.SearchStrategy[Any]:
    if name == "name":
        return st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=9).filter(
            lambda text: "," not in text and len(text.strip()) > 0 and not set(text) & set("\u115f\u1160\u3164\uffa0")
        )
    return st.integers(1, 4 if name == "level" else 10**9)


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Well-formed queries, of which some are refused since no index serves them."""
    filters: dict[str, dict[str, Any]] = {}
    for name in draw(st.sets(st.sampled_from(sorted(THINGS.filters)), max_size=3)):
        operators = draw(st.sets(st.sampled_from(THINGS.filters[name].operators), min_size=1, max_size=3))
        filters[name] = {
            operator: draw(st.lists(a_value(name), min_size=1, max_size=4) if operator == "in" else a_value(name))
            for operator in sorted(operators)
        }
    body: dict[str, Any] = {"filter": filters, "limit": draw(st.integers(1, 100)), "total": draw(st.booleans())}
    if draw(st.booleans()):
        names = draw(st.lists(st.sampled_from(sorted(THINGS.sortable)), min_size=1, max_size=2, unique=True))
        body["sort"] = [draw(st.sampled_from(["", "-"])) + name for name in names]
    if draw(st.booleans()):
        body["fields"] = draw(st.lists(st.sampled_from(THINGS.keys), min_size=1, unique=True))
    return body


def as_parameters(body: dict[str, Any]) -> dict[str, str]:
    sent = {"limit": str(body["limit"]), "total": str(body["total"]).lower()}
    for name, by_operator in body["filter"].items():
        for operator, value in by_operator.items():
            text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
            sent[f"filter[{name}][{operator}]"] = text
    return sent | {name: ",".join(body[name]) for name in ("sort", "fields") if name in body}


@given(bodies())
def test_tm6_both_forms_are_the_same_statement(body: dict[str, Any]) -> None:
    assert outcome(of_body(body)) == outcome(of_parameters(as_parameters(body)))


@given(bodies())
def test_tm6_no_value_is_in_the_text_of_a_statement(body: dict[str, Any]) -> None:
    planned = outcome(of_body(body))
    if isinstance(planned, dict):
        return
    text = planned.page.text
    assert len(planned.page.values) == len({part.split("::")[0] for part in text.split("$")[1:]})
    words = {word.strip("(),[]'-<>=$:") for word in text.split()}
    for by_operator in body["filter"].values():
        for value in by_operator.values():
            assert not isinstance(value, str) or len(value) < 4 or value not in words


def test_tm6_one_shape_is_one_text() -> None:
    one, other = (page_of(of_body({"filter": {"owner": n, "made_at": {"lt": n}}, "limit": n})) for n in (1, 99))
    assert one.text is other.text
    assert one.values != other.values


def test_tm6_a_bare_value_is_equality() -> None:
    same = [{"owner": 5}, {"owner": {"eq": 5}}, {"owner": "5"}, {"owner": {"in": [5, 5]}}]
    assert len({repr(page_of(of_body({"filter": one}))) for one in same}) == 1
    assert page_of(of_parameters({"filter[owner]": "5"})) == page_of(of_body({"filter": same[0]}))


def test_tm6_several_conditions_on_one_field_all_hold() -> None:
    assert page_of(of_body({"filter": {"level": {"ne": 2, "in": [1, 2, 3]}}})).values[0] == [1, 3]
    assert page_of(of_body({"filter": {"level": {"ne": 2}}})).values[0] == [1, 3, 4]
    assert page_of(of_body({"filter": {"id": {"eq": 1, "in": [2]}}})).values[0] == []


def test_tm6_moments_are_whole_seconds() -> None:
    def bounds(**by_operator: int) -> list[Any]:
        values = page_of(of_body({"filter": {"made_at": by_operator}})).values
        return [int(value.timestamp()) for value in values if isinstance(value, datetime) and value != NOW]

    assert bounds(eq=10) == [11, 10]
    assert (bounds(lt=10), bounds(le=10), bounds(gt=10), bounds(ge=10)) == ([10], [11], [11], [10])


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"filter": {"nope": 1}}, {"filter.nope": "Cannot be filtered by. Possible: id, level, made_at, name, owner."}),
        ({"filter": {"owner": {"gt": 1}}}, {"filter.owner.gt": "Takes the operators: eq, in."}),
        ({"filter": {"level": 1}}, {"filter.level": "Takes the operators: ne, in."}),
        ({"filter": {"owner": {}}}, {"filter.owner": "Takes the operators: eq, in."}),
        ({"filter": {"owner": "x"}}, {"filter.owner.eq": "Must be an integer."}),
        ({"filter": {"owner": {"in": 5}}}, {"filter.owner.in": "Must be a list of values."}),
        ({"filter": {"owner": {"in": [1] * 101}}}, {"filter.owner.in": "Takes 1 to 100 values."}),
        ({"filter": {"name": {"prefix": ""}}}, {"filter.name.prefix": "Must have between 1 and 50 characters."}),
        ({"filter": {"owner": None}}, {"filter.owner.eq": "Field may not be null."}),
        ({"sort": ["level"]}, {"sort": "Unknown: level. Possible: id, -id, made_at, -made_at, name, -name."}),
        ({"sort": ["id", "-id"]}, {"sort": "Names a field twice."}),
        ({"sort": []}, {"sort": "Must be a list of 1 to 100 names."}),
        ({"fields": ["hidden"]}, {"fields": "Unknown: hidden. Possible: id, name."}),
        ({"filter": {"owner": 1}, "sort": ["id"]}, {"sort": f"{SORT_BY} made_at, -made_at."}),
        ({"filter": {"name": {"prefix": "a"}}, "sort": ["id"]}, {"sort": f"{SORT_BY} name, -name."}),
        ({"filter": {"id": {"lt": 1}}, "sort": ["name", "made_at"]}, {"sort": f"{SORT_BY} id, -id."}),
    ],
)  # fmt: skip
def test_tm6_errors_name_the_field_and_what_is_possible(body: dict[str, Any], fields: dict[str, str]) -> None:
    assert errors(body) == fields


def test_tm6_filters_that_do_not_go_together_say_what_does() -> None:
    found = errors({"filter": {"made_at": {"lt": 1}, "name": {"prefix": "a"}}})
    assert set(found) == {"filter.made_at", "filter.name"}
    assert "owner (eq, in) with level, made_at, name; level (eq, in) with id;" in found["filter.name"]


def test_p23_every_wrong_field_has_an_entry() -> None:
    wrong = {"filter": {"nope": 1, "owner": {"eq": "x", "gt": 1}}, "sort": ["x"], "limit": 0, "filtr": 1}
    assert set(errors(wrong)) == {"filter.nope", "filter.owner.eq", "filter.owner.gt", "sort", "limit", "filtr"}
    with pytest.raises(InvalidData) as refusal:
        of_parameters({"filter[nope]": "1", "filter[owner][gt]": "1", "sort": "x", "limit": "0"})
    assert set(refusal.value.fields) == {"filter[nope]", "filter[owner][gt]", "sort", "limit"}


def test_p23_every_sort_ends_with_the_id() -> None:
    for key in sort_keys(THINGS):
        order = plan(THINGS, of_body({"sort": [key]}), NOW, "Wrong").order
        assert order[0] == key
        assert order[-1] == ("-id" if key.startswith("-") else "id")


@given(st.text(max_size=40) | st.binary(max_size=40).map(bytes.hex))
def test_p23_no_word_but_a_cursor_is_one(word: str) -> None:
    with pytest.raises(InvalidData) as refusal:
        cursors.decode(word, THINGS, ("-made_at", "-id"), "Wrong")
    assert set(refusal.value.fields) == {"cursor"}


@pytest.mark.parametrize(
    ("order", "keys"),
    [
        (("-made_at", "-id"), (NOW, 5)),
        (("-made_at", "id"), (NOW.replace(microsecond=123_456), 2**53 - 1)),
        (("name", "id"), ("ß\U0001f600", 1)),
        (("id",), (7,)),
    ],
)
def test_p23_cursors_keep_their_keys_and_their_sort(order: tuple[str, ...], keys: tuple[Any, ...]) -> None:
    cursor = cursors.encode(order, keys)
    assert cursors.decode(cursor, THINGS, order, "Wrong") == list(keys)
    for other in (("id",), ("-id",), ("name", "id"), ("made_at", "id")):
        if other != order:
            with pytest.raises(InvalidData):
                cursors.decode(cursor, THINGS, other, "Wrong")


@pytest.mark.parametrize(
    "keys", [("1", 2), (1.5, 2), (True, 2), (-1, 2), (2**62, 2), (1,), (1, 2, 3), (None, 2), (1, "2")]
)
def test_p23_forged_keys_are_refused(keys: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidData):
        cursors.decode(cursors.encode(("-made_at", "-id"), keys), THINGS, ("-made_at", "-id"), "Wrong")


def test_pa6_pages_are_those_of_every_list() -> None:
    by_page = page_of(of_body({"page": 3, "page_size": 7}))
    assert by_page == page_of(of_parameters({"sort": "id", "limit": "7", "offset": "14"}))
    assert by_page.values[:2] == [8, 14]


@pytest.mark.parametrize(
    ("page", "wrong"),
    [
        ({"offset": "100000"}, None), ({"offset": "100001"}, "offset"), ({"page": "1001", "page_size": "100"}, None),
        ({"page": "1002", "page_size": "100"}, "page"), ({"page": "5001"}, None), ({"page": "5002"}, "page"),
        ({"page": "100001", "page_size": "1"}, None), ({"page": "100002", "page_size": "1"}, "page"),
    ],
)  # fmt: skip
def test_pa6_no_page_is_further_than_a_hundred_thousand_rows(page: dict[str, str], wrong: str | None) -> None:
    for schema in (PageQuery(), BODY):
        assert set(schema.validate(page)) == ({wrong} if wrong else set())


def test_tm6_the_document_has_what_the_declaration_says() -> None:
    properties = BODY.fields["filter"].metadata["properties"]
    assert set(properties) == set(THINGS.filters)
    assert set(properties["level"]["properties"]) == {"ne", "in"}
    assert {"filter[owner]", "filter[owner][in]", "filter[made_at][ge]"} < set(parameters(THINGS))
    assert not any(field.required for field in partly(THINGS.answer).fields.values())
    assert Thing().fields["id"].required


def test_tm6_declarations_that_no_index_can_keep_are_errors() -> None:
    with pytest.raises(ValueError, match="no index leaves out"):
        Field(column="owner_id", type="bigint", value=Id(), operators=("ne",))
    with pytest.raises(ValueError, match="a search"):
        Field(column="said", type="text", value=Text(1, 9), operators=("contains",))
    for index in (Index(order=("name",)), Index(order=("nope", "id")), Index(by="nope", order=("id",))):
        with pytest.raises(ValueError, match="of other fields"):
            Kind(table="t", visible="true", document="", answer=Thing(), fields=THINGS.fields, indexes=(index,))
