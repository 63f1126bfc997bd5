"""The OpenAPI document says what is served, and says it validly."""

from __future__ import annotations

import re
from typing import Any

import marshmallow as ma
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from services import documents
from services.catalogue import SERVICES
from services.reference import page
from shared import openapi
from shared.errors import Refusal
from shared.health import HEALTH_ROUTES
from shared.http import Answer, Call, Failures, Route, operation
from shared.identity.roles import AUTHENTICATED, PUBLIC, SCOPES

ROUTES = [(service.name, route) for service in SERVICES for route in service.routes]
IDS = [f"{name} {route.method} {route.path}" for name, route in ROUTES]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return documents.merged()


def test_document_is_valid_openapi(document: dict[str, Any]) -> None:
    OpenAPIV31SpecValidator(document).validate()


@pytest.mark.parametrize(("service", "route"), ROUTES, ids=IDS)
def test_route_is_documented_whole(document: dict[str, Any], service: str, route: Route) -> None:
    described = document["paths"][route.path][route.method.lower()]
    assert described["summary"]
    assert described["tags"], "an operation without a tag has no place on the page"
    assert described["x-permission"] in SCOPES | {PUBLIC, AUTHENTICATED}
    named = {one["name"] for one in described["parameters"] if one["in"] == "path"}
    assert named == set(re.findall(r"\{([^}]*)\}", route.path))
    assert {"400", "429", "503"} <= set(described["responses"])
    assert described["x-permission"] == PUBLIC or {"401", "403"} <= set(described["responses"])
    successes = [status for status in described["responses"] if status.startswith("2")]
    assert successes
    for status in set(successes) - {"204"}:
        assert described["responses"][status]["content"], "an answer without a schema cannot be checked"


def _headers(described: dict[str, Any]) -> set[str]:
    return {one["name"] for one in described["parameters"] if one["in"] == "header"}


def test_content_takes_ranges_and_exports_have_no_entity_tag(document: dict[str, Any]) -> None:
    content = document["paths"]["/filecontent/{file_id}"]["get"]
    assert {"Range", "If-Range", "If-None-Match"} <= _headers(content)
    assert {"206", "304", "416"} <= set(content["responses"])
    for ending in ("csv", "ndjson"):
        export = document["paths"][f"/exports/recognitions.{ending}"]["get"]
        assert "If-None-Match" not in _headers(export)
        assert "304" not in export["responses"]


@pytest.mark.parametrize(
    ("path", "method", "alternatives"),
    [
        ("/files", "post", {"update:profile", "manage:user", "update:core_value", "update:recognition"}),
        ("/files/{files_id}", "get", {"view:user", "view:core_value", "view:recognition"}),
        ("/filecontent/{file_id}", "get", {"view:user", "view:core_value", "view:recognition"}),
    ],
)
def test_files_name_the_scope_of_what_they_are_for(
    document: dict[str, Any], path: str, method: str, alternatives: set[str]
) -> None:
    described = document["paths"][path][method]
    assert [set(one["bearer"]) for one in described["security"]] == [
        {described["x-permission"], other} for other in described["x-permission-also"]
    ]
    assert set(described["x-permission-also"]) == alternatives


def test_every_documented_operation_is_served(document: dict[str, Any]) -> None:
    own = [*HEALTH_ROUTES, *documents.routes()]
    served = {(route.path, route.method.lower()) for route in [*own, *(route for _, route in ROUTES)]}
    described = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert described == served


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(ids) == len(set(ids))


def test_every_scope_opens_something(document: dict[str, Any]) -> None:
    used = {one["x-permission"] for methods in document["paths"].values() for one in methods.values()}
    assert SCOPES - used == set()


def test_page_names_every_operation_and_loads_nothing(document: dict[str, Any]) -> None:
    shown = page(document)
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code>" in shown
    assert "<script" not in shown
    assert not re.findall(r"""(?:src|href)=|url\(|@import""", shown)


@pytest.mark.parametrize(
    ("operation", "seconds"),
    [
        ("get /users", 10), ("get /exports/recognitions.csv", 300), ("get /exports/recognitions.ndjson", 300),
        ("get /filecontent/{file_id}", 120), ("post /files", 80),
    ],
)  # fmt: skip
def test_how_long_a_client_may_wait_is_the_operations_own(
    document: dict[str, Any], operation: str, seconds: int
) -> None:
    method, path = operation.split()
    described = {one["name"]: one.get("description", "") for one in document["paths"][path][method]["parameters"]}
    assert f"; {seconds} at most" in described["X-Request-Timeout"]


async def _form(_: Call) -> Answer:
    return Answer(303)


def test_forms_pages_and_answers_of_another_standard_are_described() -> None:
    class Signature(ma.Schema):
        name = ma.fields.String(required=True)

    def told(_: Refusal) -> Answer:
        return Answer(400)

    declare = operation(
        summary="Sign",
        permission=PUBLIC,
        body=Signature(),
        form=True,
        answers={200: None, 303: None},
        enveloped=False,
        media_type="text/html",
        failures=Failures(told, "text/html"),
    )
    described = openapi.document("Forms", "1", [Route("POST", "/sign", declare(_form))])
    signing = described["paths"]["/sign"]["post"]
    assert set(signing["requestBody"]["content"]) == {"application/x-www-form-urlencoded"}
    text = {"schema": {"type": "string"}}
    assert signing["responses"]["200"]["content"] == {"text/html": text}
    for status in ("400", "413", "503"):
        assert signing["responses"][status]["content"]["text/html"] == text
        assert "application/json" in signing["responses"][status]["content"], "a gateway's own answer"
    assert set(signing["responses"]["303"]["headers"]) == {"Location"}
    assert "content" not in signing["responses"]["303"]
    OpenAPIV31SpecValidator(described).validate()


def test_two_services_may_not_describe_one_thing_differently() -> None:
    part: dict[str, Any] = {"paths": {"/a": {"get": {}}}, "components": {"schemas": {"Thing": {"type": "object"}}}}
    assert openapi.merge("t", "1", [part, part])["paths"] == {"/a": {"get": {}}}
    other = {"paths": {}, "components": {"schemas": {"Thing": {"type": "string"}}}}
    with pytest.raises(ValueError, match="Thing"):
        openapi.merge("t", "1", [part, other])
