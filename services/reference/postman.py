"""The operations as a Postman collection (format 2.1): fill in who signs in, run it from top to bottom."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from services.reference.examples import MOMENTS, Example, examples
from services.reference.samples import BOUNDARY, FILES, parts

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
FORM = "application/x-www-form-urlencoded"
_REFERENCE = re.compile(r'"?@([a-z_0-9]+)@"?')
FIRST = ("sign_in", "list_users", "list_core_values", "give_recognition", "list_recognitions", "begin_campaign")
LAST = ("Campaigns", "Teams", "Core values", "Recognitions", "History", "Passwords", "Users", "Sessions")
"""What removes what others refer to, and ends people and sessions, comes after all else."""

FOUND: Mapping[str, Mapping[str, str]] = {
    "list_users": {"users_id": "data[1].id"},
    "list_core_values": {"core_values_id": "data[0].id"},
    "show_my_organisation": {"policies_id": "data.id"},
    "list_cases": {"cases_id": "data[0].recognition_id"},
    "create_customer": {"customers_id": "id"},
    "upload_file": {"files_id": "data.files_id", "filecontent_id": "data.file_id"},
}
"""What an answer tells that is no creation of the common form."""

DESCRIPTION = (
    "Fill in the variables baseUrl, username and password (a super admin's, too, for the requests that need one)"
    " and send the first steps; every other request uses what they found. The whole collection, run from top to bottom,"
    " makes, changes and removes things of each kind: do that in a demo."
)

ASKED: Mapping[str, str] = {
    "baseUrl": "http://127.0.0.1:8080",
    "username": "",
    "password": "",
    "super_admin_username": "",
    "super_admin_password": "",
}
"""Variables that a person fills in: what `make run` prints."""


def collection(document: Mapping[str, Any]) -> dict[str, Any]:
    """Whoever signs in first is an admin; what a request makes is what the later ones show, change and remove."""
    found = list(examples(document, lambda name: f"@{name}@"))
    ids = {name for example in found for name in example.ids.values()}
    names = [*sorted(ids), "token", "super_admin_token"]
    variables = {**ASKED, **dict.fromkeys(names, "1"), **{_moment(seconds): "0" for seconds in MOMENTS.values()}}
    first = {example.operation["operationId"]: example for example in found}
    rest = [example for example in found if example.operation["operationId"] not in FIRST]
    return {
        "info": {"name": document["info"]["title"], "description": DESCRIPTION, "schema": SCHEMA},
        "auth": _bearer("token"),
        "event": [_script("prerequest", _MOMENTS)],
        "variable": [{"key": key, "value": value, "type": "string"} for key, value in variables.items()],
        "item": [
            {"name": "First steps", "item": [*_sign_ins(), *(_item(first[name], ids) for name in FIRST[1:])]},
            *_folders(rest, ids),
        ],
    }


_MOMENTS = [
    f'pm.collectionVariables.set("in_{seconds}_seconds", Math.floor(Date.now() / 1000) + {seconds});'
    for seconds in MOMENTS.values()
]


def _moment(seconds: int) -> str:
    return f"in_{seconds}_seconds"


def _sign_ins() -> Iterator[dict[str, Any]]:
    yield _sign_in("Sign in as an admin", "username", "password", "token")
    yield _sign_in("Sign in as the super admin", "super_admin_username", "super_admin_password", "super_admin_token")


def _sign_in(title: str, username: str, password: str, kept: str) -> dict[str, Any]:
    body = json.dumps({"username": f"{{{{{username}}}}}", "password": f"{{{{{password}}}}}"})
    return {
        "name": title,
        "event": [_script("test", [_keep(kept, "data.token")])],
        "request": {
            "method": "POST",
            "auth": {"type": "noauth"},
            "header": [{"key": "Content-Type", "value": "application/json"}],
            "url": _url("/login", {}, {}),
            "body": _raw(body),
        },
    }


def _folders(found: Iterable[Example], ids: Container[str]) -> Iterator[dict[str, Any]]:
    folders: dict[str, list[dict[str, Any]]] = {}
    for example in found:
        folders.setdefault(example.operation.get("tags", ["Other"])[0], []).append(_item(example, ids))
    for name in sorted(folders, key=lambda name: (LAST.index(name) if name in LAST else -1, name)):
        yield {"name": name, "item": folders[name]}


def _item(example: Example, ids: Container[str]) -> dict[str, Any]:
    request: dict[str, Any] = {
        "method": example.method,
        "header": [],
        "url": _url(example.path, example.ids, example.query),
        "description": example.operation.get("description", example.operation["summary"]),
    }
    if example.is_public:
        request["auth"] = {"type": "noauth"}
    elif example.is_for_super_admins or example.path.startswith("/organisations/{"):
        request["auth"] = _bearer("super_admin_token")
    if example.media_type is not None:
        media_type = f"{FILES}; boundary={BOUNDARY}" if example.media_type == FILES else example.media_type
        request["header"].append({"key": "Content-Type", "value": media_type})
        request["body"] = _body(example)
    item: dict[str, Any] = {"name": example.operation["summary"], "request": request}
    kept = _kept(example, ids)
    return {**item, "event": [_script("test", kept)]} if kept else item


def _kept(example: Example, ids: Container[str]) -> list[str]:
    """A thing that was made, or was found in the first steps, is what later requests name."""
    operation = example.operation["operationId"]
    if operation in FOUND:
        return [_keep(variable, path) for variable, path in FOUND[operation].items()]
    thing = example.path.rpartition("/")[2].replace("-", "_")
    if example.method != "POST" or "201" not in example.operation["responses"]:
        return []
    return [_keep(f"{thing}_{name}", f"data.{name}") for name in ("id", "name") if f"{thing}_{name}" in ids]


def _keep(variable: str, path: str) -> str:
    return f'pm.collectionVariables.set("{variable}", pm.response.json().{path});'


def _script(listen: str, lines: list[str]) -> dict[str, Any]:
    return {"listen": listen, "script": {"type": "text/javascript", "exec": lines}}


def _bearer(variable: str) -> dict[str, Any]:
    return {"type": "bearer", "bearer": [{"key": "token", "value": f"{{{{{variable}}}}}", "type": "string"}]}


def _url(path: str, ids: Mapping[str, str], query: Mapping[str, Any]) -> dict[str, Any]:
    for name, meaning in ids.items():
        path = path.replace(f"{{{name}}}", f"{{{{{meaning}}}}}")
    url: dict[str, Any] = {"raw": f"{{{{baseUrl}}}}{path}", "host": ["{{baseUrl}}"], "path": path.strip("/").split("/")}
    if query:
        url["query"] = [{"key": key, "value": _variables(str(value))} for key, value in query.items()]
    return url


def _body(example: Example) -> dict[str, Any]:
    if example.media_type == FORM:
        return {
            "mode": "urlencoded",
            "urlencoded": [{"key": key, "value": str(value), "type": "text"} for key, value in example.body.items()],
        }
    if example.media_type == FILES:
        return _raw(parts(example.body), "text")
    return _raw(json.dumps(example.body, indent=2))


def _raw(text: str, language: str = "json") -> dict[str, Any]:
    return {"mode": "raw", "raw": _variables(text), "options": {"raw": {"language": language}}}


def _variables(text: str) -> str:
    for moment, seconds in MOMENTS.items():
        text = text.replace(str(moment), f"{{{{{_moment(seconds)}}}}}")
    return _REFERENCE.sub(r"{{\1}}", text)
