"""A request for each operation that works in an organisation like the demo's, read off the OpenAPI document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SOON = 1_893_456_000
"""Stands for a moment that is `MOMENTS[SOON]` seconds ahead of whoever sends the request."""

MOMENTS: Mapping[int, int] = {SOON: 604_800, SOON + 3_600: 608_400}

REFERENCES: Mapping[str, str] = {
    "given_for": "users_id",
    "member_ids": "users_id",
    "lead_id": "users_id",
    "core_value_id": "core_values_id",
    "core_value_ids": "core_values_id",
    "team_id": "teams_id",
    "team_ids": "teams_id",
    "upload_file.id": "recognitions_id",
}
"""Whose id a field of a body is, or a parameter, by `operation.field` or field."""

WORDS: Mapping[str, Any] = {
    "address1": "1 Harbour Street",
    "amount": 2,
    "audience": "peerly",
    "city": "Lisbon",
    "comment": "Well deserved!",
    "contactEmail": "office@partner.example",
    "contact_email": "office@partner.example",
    "current": "the password until now",
    "decision": "deny",
    "description": "Asks before assuming",
    "display_name": "Ada",
    "domain_names": ["partner.example"],
    "ends_at": SOON + 3_600,
    "expires_at": SOON,
    "filter": {"id": {"ge": 1}},
    "first_name": "Ada",
    "grant_type": "client_credentials",
    "hi5_limit": 10,
    "is_inappropriate": False,
    "issuer": "https://login.partner.example",
    "last_name": "Okafor",
    "mark_as": "not_relevant",
    "message": "New database server",
    "name": "Harbour crew",
    "new": "four words nobody guesses",
    "reason": "Helped with the fair",
    "recurrence": "FREQ=WEEKLY;BYDAY=FR",
    "redirect_uris": ["https://app.partner.example/signed-in"],
    "role_id": 3,
    "scopes": ["view:recognition"],
    "starts_at": SOON,
    "text": "Curiosity",
    "timezone": "Europe/Lisbon",
    "values": ["Harbour", "Office"],
    "make_value_list.name": "places",
    "give_recognition.text": "Thank you for staying late with the harbour crew",
    "change_recognition.text": "Thank you for staying so late with the harbour crew",
    "replace_recognition.text": "Thank you for staying late",
    "report_recognition.reason": "This was meant for somebody else",
    "create_customer.name": "Partner",
    "put_customer.name": "Partner",
    "upload_file.kind": "recognitions",
    "upload_file.attribute": "attachments",
    "upload_file.file": "%PDF-1.4 What was said at the fair",
}
"""Values of fields, by `operation.field` or field."""

OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "sign_in": (),
    "give_hi5": ("comment",),
    "begin_series": ("given_for",),
    "begin_team": ("member_ids",),
    "put_series": ("given_for",),
    "put_team": ("member_ids",),
    "change_core_value": ("description",),
    "patch_organisation": ("city",),
    "patch_team": ("name",),
    "decide": ("decision",),
}
"""Which fields an example gives that are not required."""


@dataclass(frozen=True, slots=True)
class Example:
    """One request. `path` has names in braces, `ids` what they stand for; `media_type` is None without a body."""

    method: str
    path: str
    operation: Mapping[str, Any]
    ids: Mapping[str, str]
    query: Mapping[str, Any]
    body: Any
    media_type: str | None

    @property
    def is_public(self) -> bool:
        return "security" not in self.operation

    @property
    def is_for_super_admins(self) -> bool:
        return list(self.operation["x-roles"]) == ["super_admin"]


def examples(document: Mapping[str, Any], refer: Callable[[str], Any]) -> Iterator[Example]:
    """All operations; a tag's lists come before what makes, shows, changes and at last removes its things.

    `refer` gives the value of an id by its name, such as `users_id`.
    """
    paths = document["paths"]
    makers = {path for path in paths if any(other.startswith(f"{path}/{{") for other in paths)}

    def turn(described: tuple[str, str, Mapping[str, Any]]) -> tuple[str, int, str]:
        path, method, operation = described
        turns = {
            "GET": 2 if "{" in path else 0, "POST": 1 if path in makers else 3, "PUT": 4, "PATCH": 5, "DELETE": 6,
        }  # fmt: skip
        return operation.get("tags", [""])[0], turns[method], path

    described = [(path, method.upper(), one) for path, methods in paths.items() for method, one in methods.items()]
    for path, method, operation in sorted(described, key=turn):
        yield _example(document, method, path, operation, refer)


def _example(
    document: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any], refer: Callable[[str], Any]
) -> Example:
    name = operation["operationId"]
    content = operation.get("requestBody", {}).get("content", {})
    media_type = next(iter(content), None)
    body = None
    if media_type is not None:
        schema = _resolved(document, content[media_type]["schema"])
        body = {field: _value(document, name, field, one, refer) for field, one in _fields(name, schema)}
    required = [one for one in operation["parameters"] if one["in"] == "query" and one.get("required")]
    query = {one["name"]: _value(document, name, one["name"], one["schema"], refer) for one in required}
    return Example(method, path, operation, dict(_ids(path, operation)), query, body, media_type)


def _ids(path: str, operation: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """`/teams/{id}`: `id` is a `teams_id`; what is reported and reviewed is a `cases_id`."""
    moderated = operation.get("tags") == ["Moderation"]
    for segment, name in re.findall(r"([^/{}]+)/\{([^}]*)\}", path):
        thing = "cases" if moderated else segment.replace("-", "_")
        yield name, f"{thing}_{'id' if name.endswith('id') else name}"


def _fields(name: str, schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    properties = schema.get("properties", {})
    wanted = [*schema.get("required", ()), *OPTIONAL.get(name, ())]
    if "filter" in properties:
        wanted.append("filter")
    for field in wanted or list(properties)[:1]:
        yield field, properties[field]


def _resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return schema if reference is None else document["components"]["schemas"][reference.rpartition("/")[2]]


def _value(
    document: Mapping[str, Any], operation: str, name: str, schema: Mapping[str, Any], refer: Callable[[str], Any]
) -> Any:
    schema = _resolved(document, schema)
    keys = (f"{operation}.{name}", name)
    for key in keys:
        if key in REFERENCES:
            referred = refer(REFERENCES[key])
            return [referred] if name.endswith("s") else referred
    for key in keys:
        if key in WORDS:
            return WORDS[key]
    return _of_type(schema)


def _of_type(schema: Mapping[str, Any]) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    kinds = schema.get("type", "object")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    plain: dict[str, Any] = {"integer": schema.get("minimum", 0), "boolean": True, "array": [], "object": {}}
    return plain.get(kind, "word")
