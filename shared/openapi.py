"""OpenAPI 3.1 from the declarations of the routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

import marshmallow as ma
from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.common import resolve_schema_cls
from apispec.ext.marshmallow.openapi import OpenAPIConverter

from shared import errors
from shared.errors import Refusal
from shared.http import fields, parsing
from shared.http.operation import Operation, Route
from shared.identity.roles import AUTHENTICATED, PERMISSIONS, PUBLIC

ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "fields": {"type": "object", "additionalProperties": {"type": "string"}},
            },
        }
    },
}
META = {
    "type": "object",
    "required": ["limit", "offset"],
    "properties": {
        "limit": {"type": "integer"},
        "offset": {"type": "integer"},
        "total": {"type": "integer"},
        "next_cursor": {"type": "string"},
    },
}
HEADER_PARAMETERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {"type": "string", "minLength": 1, "maxLength": 255},
    "If-Match": {"type": "string"},
    "If-None-Match": {"type": "string"},
    "If-Range": {"type": "string"},
    "Range": {"type": "string"},
    "X-Org-Id": {"type": "integer", "minimum": 1, "maximum": fields.LARGEST_ID},
    "X-Request-Id": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
    "X-Request-Timeout": {"type": "number", "exclusiveMinimum": 0},
}
COMMON_HEADERS: dict[str, str] = {
    "X-Org-Id": "The credential's organisation; of a super admin, the one that is meant. X-Perscom-Id is the same.",
    "X-Request-Id": "Comes back with the answer, and is in every log line; made when absent.",
    "X-Request-Timeout": "How many seconds the client waits; {seconds} at most, and when absent.",
}
"""What every operation takes (the first only where it takes a credential)."""
REDIRECTS = frozenset({302, 303})
_NO_JSON = ("text/", "*/*", "application/x-ndjson")
_WRITES = {"POST", "PUT", "PATCH", "DELETE"}


def document(title: str, version: str, routes: Iterable[Route], *, description: str = "") -> dict[str, Any]:
    """One OpenAPI document for these routes; what marshmallow validates is what it says."""
    plugin = _plugin()
    spec = APISpec(
        title=title, version=version, openapi_version="3.1.0", plugins=[plugin], info={"description": description}
    )
    spec.components.security_scheme("bearer", {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"})
    spec.components.schema("Error", component=ERROR)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, _converter(plugin))
    for path in sorted(paths):
        spec.path(path=path, operations=paths[path])
    return spec.to_dict()


def _plugin() -> MarshmallowPlugin:
    return MarshmallowPlugin(schema_name_resolver=_schema_name)


def _schema_name(schema: Any) -> str:
    made = resolve_schema_cls(schema)
    return str(getattr(made, "__name__", made)).removesuffix("Schema")


def _converter(plugin: MarshmallowPlugin) -> OpenAPIConverter:
    converter: Any = plugin.converter
    if _describe not in converter.attribute_functions:
        converter.add_attribute_function(_describe)
    return cast(OpenAPIConverter, converter)


def _describe(_: OpenAPIConverter, field: ma.fields.Field[Any], **__: Any) -> dict[str, Any]:
    if isinstance(field, fields.Text):
        return {"minLength": field.least, "maxLength": field.most}
    if isinstance(field, fields.IdList):
        return {"type": "string", "pattern": r"^\s*[0-9]{1,16}\s*(,\s*[0-9]{1,16}\s*)*$"}
    if isinstance(field, fields.ChoiceList):
        words = "|".join(re.escape(choice) for choice in field.choices)
        return {"type": "string", "pattern": rf"^\s*({words})\s*(,\s*({words})\s*)*$"}
    return {}


def _operation(route: Route, converter: OpenAPIConverter) -> dict[str, Any]:
    declared = route.operation
    described: dict[str, Any] = {
        "operationId": f"{route.handler.__name__}",
        "summary": declared.summary,
        "parameters": [*_path_parameters(route.path), *_query_parameters(declared, converter), *_headers(route)],
        "responses": _responses(route, converter),
        "x-permission": declared.permission,
        "x-roles": _roles(declared.permission),
    }
    if declared.tag:
        described["tags"] = [declared.tag]
    if declared.description:
        described["description"] = declared.description
    if declared.permission != PUBLIC:
        described["security"] = _security(declared)
    if declared.also:
        described["x-permission-also"] = list(declared.also)
    if declared.body is not None:
        content = {_body_type(declared): {"schema": declared.body}}
        described["requestBody"] = {"required": _needs_body(declared.body), "content": content}
    return described


def _security(declared: Operation) -> list[dict[str, list[str]]]:
    """What a token needs: all scopes of one of these."""
    if declared.permission == AUTHENTICATED:
        return [{"bearer": []}]
    alternatives = [[other] for other in declared.also] or [[]]
    return [{"bearer": [declared.permission, *others]} for others in alternatives]


def _body_type(declared: Operation) -> str:
    if declared.upload:
        return "multipart/form-data"
    return parsing.FORM if declared.form else "application/json"


def _roles(permission: str) -> list[str]:
    if permission == PUBLIC:
        return ["anyone"]
    if permission == AUTHENTICATED:
        return [role.name.lower() for role in PERMISSIONS]
    return [role.name.lower() for role, held in PERMISSIONS.items() if permission in held]


def _needs_body(body: ma.Schema) -> bool:
    return any(field.required for field in body.load_fields.values())


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 1, "maximum": fields.LARGEST_ID}
            if name.endswith("id")
            else {"type": "string", "minLength": 1},
        }
        for name in re.findall(r"\{([^}]*)\}", path)
    ]


def _query_parameters(declared: Operation, converter: OpenAPIConverter) -> list[dict[str, Any]]:
    if declared.query is None:
        return []
    return cast(
        list[dict[str, Any]],
        converter.schema2parameters(declared.query, location="query", name="query", required=False),
    )


def _headers(route: Route) -> list[dict[str, Any]]:
    names = list(route.operation.headers)
    if route.method == "POST" and route.operation.idempotent and route.operation.permission != PUBLIC:
        names.append("Idempotency-Key")
    if route.method in {"PUT", "PATCH", "DELETE"}:
        names.append("If-Match")
    if route.method == "GET" and route.operation.conditional:
        names.append("If-None-Match")
    own = [{"name": name, "in": "header", "required": False, "schema": HEADER_PARAMETERS[name]} for name in names]
    seconds = f"{route.operation.stream_seconds or route.operation.seconds:g}"
    common = [name for name in COMMON_HEADERS if name != "X-Org-Id" or route.operation.permission != PUBLIC]
    return own + [
        {"name": name, "in": "header", "required": False, "description": COMMON_HEADERS[name].format(seconds=seconds)}
        | {"schema": HEADER_PARAMETERS[name]}
        for name in common
    ]


def _responses(route: Route, converter: Any) -> dict[str, Any]:
    declared = route.operation
    responses: dict[str, Any] = {}
    for status, schema in declared.answers.items():
        responses[str(status)] = _success(declared, status, schema, converter)
    if route.method == "GET" and declared.conditional and 200 in declared.answers:
        responses["304"] = {"description": "Not changed since the entity tag in If-None-Match."}
    for refusal in _refusals(route):
        responses.setdefault(str(refusal.status), _failure(declared, refusal, converter))
    return dict(sorted(responses.items()))


def _success(declared: Operation, status: int, schema: ma.Schema | None, converter: Any) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": declared.summary}
    if status in REDIRECTS:
        answer["headers"] = {"Location": {"required": True, "schema": {"type": "string", "format": "uri-reference"}}}
        return answer
    if status == 204:
        return answer
    if schema is None and not declared.enveloped:
        form = "string" if declared.media_type.startswith(_NO_JSON) else "object"
        answer["content"] = {declared.media_type: {"schema": {"type": form}}}
        return answer
    data: Any = {} if schema is None else converter.resolve_nested_schema(schema)
    if declared.many:
        data = {"type": "array", "items": data}
    if not declared.enveloped:
        texts = {other: {"schema": {"type": "string"}} for other in declared.other_media_types}
        answer["content"] = {"application/json": {"schema": data}, **texts}
        return answer
    whole: dict[str, Any] = {"type": "object", "required": ["data"], "properties": {"data": data}}
    if declared.meta is not None:
        whole["properties"]["meta"] = converter.resolve_nested_schema(declared.meta)
    elif declared.many:
        whole["properties"]["meta"] = META
    answer["content"] = {"application/json": {"schema": whole}}
    return answer


def _refusals(route: Route) -> list[type[Refusal]]:
    declared = route.operation
    found: list[type[Refusal]] = [*declared.refuses, errors.InvalidData, errors.NotAcceptable, errors.RateLimited]
    if declared.permission != PUBLIC:
        found.append(errors.InvalidToken)
        found.append(errors.AccessDenied)
    if route.method in _WRITES and declared.body is not None:
        found += [errors.PayloadTooLarge, errors.UnsupportedMediaType]
    if route.method == "POST" and declared.idempotent and declared.permission != PUBLIC:
        found += [errors.RequestInProgress, errors.IdempotencyKeyReused]
    if "{" in route.path and route.method in {"GET", "PATCH", "DELETE"}:
        found.append(errors.NotFound)
    if route.method in {"PUT", "PATCH", "DELETE"}:
        found.append(errors.VersionMismatch)
    return [*found, errors.Unavailable]


def _failure(declared: Operation, refusal: type[Refusal], converter: Any) -> dict[str, Any]:
    """The envelope is always possible: what no handler saw, and a gateway's own answers, come in it."""
    message = getattr(refusal, "message", refusal.__name__)
    content: dict[str, Any] = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    told = declared.failures
    if told is not None and told.schema is None:
        content[told.media_type] = {"schema": {"type": "string"}}
    elif told is not None:
        schemas = [converter.resolve_nested_schema(told.schema), {"$ref": "#/components/schemas/Error"}]
        content[told.media_type] = {"schema": {"anyOf": schemas}}
    return {"description": str(message), "content": content}


def merge(title: str, version: str, parts: Iterable[Mapping[str, Any]], *, description: str = "") -> dict[str, Any]:
    """Several services' documents as one. Raises `ValueError` when two describe one path or name differently."""
    merged: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "paths": {},
        "components": {},
    }
    for part in parts:
        _take(merged["paths"], part["paths"], "path")
        for kind, members in part.get("components", {}).items():
            _take(merged["components"].setdefault(kind, {}), members, kind)
    merged["paths"] = dict(sorted(merged["paths"].items()))
    return merged


def _take(into: dict[str, Any], members: Mapping[str, Any], kind: str) -> None:
    for name, value in members.items():
        if into.setdefault(name, value) != value:
            raise ValueError(f"two services describe the {kind} {name} differently")
