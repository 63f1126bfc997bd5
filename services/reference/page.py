"""The OpenAPI document as one page of plain HTML: no script, no request to anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from services.reference.examples import Example, examples
from services.reference.samples import literal, samples
from shared.openapi import COMMON_HEADERS, HEADER_PARAMETERS

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem; }
h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem; }
details { border: 1px solid var(--line); border-radius: .4rem; margin: .5rem 0; }
summary { cursor: pointer; padding: .5rem .75rem; overflow-wrap: anywhere; }
summary code { font-weight: 600; }
.inside { padding: 0 .75rem .75rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { border: 1px solid var(--line); padding: .25rem .5rem; text-align: left; vertical-align: top; }
pre { background: var(--soft); border-radius: .4rem; overflow-x: auto; padding: .75rem; }
"""


def page(document: Mapping[str, Any]) -> str:
    """The whole reference, operations grouped by their tag."""
    info = document["info"]
    body = "".join(_groups(document))
    schemas = "".join(_schema(name, schema) for name, schema in sorted(document["components"]["schemas"].items()))
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body>\n"
        f"<h1>{escape(info['title'])} API {escape(info['version'])}</h1>\n<p>{escape(info['description'])}</p>\n"
        f"<details><summary>What every request may carry</summary>{_common()}</details>\n"
        f"{body}<h2>Schemas</h2>\n{schemas}</body></html>\n"
    )


def _groups(document: Mapping[str, Any]) -> Iterator[str]:
    groups: dict[str, list[str]] = {}
    for example in examples(document, literal):
        groups.setdefault(example.operation.get("tags", ["Other"])[0], []).append(_operation(example))
    for tag in sorted(groups):
        yield f"<h2>{escape(tag)}</h2>\n{''.join(groups[tag])}"


def _operation(example: Example) -> str:
    operation = example.operation
    parts = [f"<p>Scope: {_scopes(operation)}. Roles: {escape(_roles(operation))}.</p>"]
    if "description" in operation:
        parts.insert(0, f"<p>{escape(operation['description'])}</p>")
    parts.append(_parameters([one for one in operation["parameters"] if one["name"] not in COMMON_HEADERS]))
    if "requestBody" in operation:
        parts.append(f"<h4>Body</h4><pre>{_json(operation['requestBody']['content'])}</pre>")
    parts += [_responses(operation["responses"]), _samples(example)]
    head = f"<code>{example.method} {escape(example.path)}</code> {escape(operation['summary'])}"
    return f'<details><summary>{head}</summary><div class="inside">{"".join(parts)}</div></details>\n'


def _samples(example: Example) -> str:
    return "".join(
        f'<details><summary>{language}</summary><pre data-sample="{language.lower()}">{escape(text)}</pre></details>'
        for language, text in samples(example).items()
    )


def _scopes(operation: Mapping[str, Any]) -> str:
    besides = ", ".join(f"<code>{escape(scope)}</code>" for scope in operation.get("x-permission-also", ()))
    return f"<code>{escape(operation['x-permission'])}</code>" + (
        f" and, of what it is for, {besides}" if besides else ""
    )


def _roles(operation: Mapping[str, Any]) -> str:
    return ", ".join(role.replace("_", " ") for role in operation["x-roles"])


def _parameters(parameters: list[Mapping[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{'required' if one.get('required') else 'optional'}</td><td>{escape(one.get('description', ''))}</td>"
        f"<td><code>{escape(json.dumps(one.get('schema', {})))}</code></td></tr>"
        for one in parameters
    )
    head = "<tr><th>Parameter</th><th>In</th><th></th><th>What</th><th>Form</th></tr>"
    return f"<table>{head}{rows}</table>"


def _common() -> str:
    return _parameters(
        [
            {"name": name, "in": "header", "description": what, "schema": HEADER_PARAMETERS[name]}
            for name, what in COMMON_HEADERS.items()
        ]
    )


def _responses(responses: Mapping[str, Mapping[str, Any]]) -> str:
    rows = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(answer['description'])}</td>"
        f"<td><code>{escape(_content(answer))}</code></td></tr>"
        for status, answer in responses.items()
    )
    return f"<h4>Answers</h4><table>{rows}</table>"


def _content(answer: Mapping[str, Any]) -> str:
    content = answer.get("content", {}).get("application/json", {}).get("schema")
    return "" if content is None else json.dumps(content.get("properties", content))


def _schema(name: str, schema: Mapping[str, Any]) -> str:
    head = f"<details><summary><code>{escape(name)}</code></summary>"
    return f'{head}<div class="inside"><pre>{_json(schema)}</pre></div></details>\n'


def _json(value: Any) -> str:
    return escape(json.dumps(value, indent=2, ensure_ascii=False))
