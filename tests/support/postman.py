"""Runs a Postman collection as Postman does: in order, with its variables, and the few script lines that it uses."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

_KEEP = re.compile(r'pm\.collectionVariables\.set\("(\w+)", pm\.response\.json\(\)\.([\w.\[\]]+)\);')
_AHEAD = re.compile(r'pm\.collectionVariables\.set\("(\w+)", Math\.floor\(Date\.now\(\) / 1000\) \+ (\d+)\);')


@dataclass(frozen=True, slots=True)
class Sent:
    """One request of the collection, and how it was answered."""

    folder: str
    name: str
    method: str
    address: str
    status: int
    body: bytes


async def run(
    collection: Mapping[str, Any], given: Mapping[str, str], session: aiohttp.ClientSession
) -> AsyncIterator[Sent]:
    """Sends everything; `given` are the variables that a person fills in."""
    variables = {one["key"]: one["value"] for one in collection["variable"]} | dict(given)
    assert set(given) <= {one["key"] for one in collection["variable"]}
    for line in _lines(collection, "prerequest"):
        name, seconds = _matched(_AHEAD, line)
        variables[name] = str(int(time.time()) + int(seconds))
    for folder in collection["item"]:
        for item in folder["item"]:
            sent = await _send(folder["name"], item, collection["auth"], variables, session)
            yield sent
            if sent.status < 300:
                for line in _lines(item, "test"):
                    name, path = _matched(_KEEP, line)
                    variables[name] = str(_at(json.loads(sent.body), path))


async def _send(
    folder: str, item: Mapping[str, Any], auth: Mapping[str, Any], variables: Mapping[str, str], session: Any
) -> Sent:
    request = item["request"]
    headers = {one["key"]: one["value"] for one in request["header"]}
    used = request.get("auth", auth)
    if used["type"] == "bearer":
        headers["Authorization"] = f"Bearer {_filled(used['bearer'][0]['value'], variables)}"
    params = {one["key"]: _filled(one["value"], variables) for one in request["url"].get("query", ())}
    address = _filled(request["url"]["raw"], variables)
    body = _body(request.get("body"), variables)
    async with session.request(request["method"], address, params=params, headers=headers, data=body) as answer:
        return Sent(folder, item["name"], request["method"], address, answer.status, await answer.read())


def _body(body: Mapping[str, Any] | None, variables: Mapping[str, str]) -> Any:
    if body is None:
        return None
    if body["mode"] == "urlencoded":
        return {one["key"]: _filled(one["value"], variables) for one in body["urlencoded"]}
    assert body["mode"] == "raw"
    return _filled(body["raw"], variables).encode()


def _filled(text: str, variables: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: variables[found[1]], text)


def _lines(of: Mapping[str, Any], listen: str) -> Iterator[str]:
    for event in of.get("event", ()):
        if event["listen"] == listen:
            yield from event["script"]["exec"]


def _matched(form: re.Pattern[str], line: str) -> tuple[str, str]:
    found = form.fullmatch(line)
    assert found, f"a script line that this does not know: {line}"
    return found[1], found[2]


def _at(answer: Any, path: str) -> Any:
    for step in re.findall(r"\w+", path):
        answer = answer[int(step) if step.isdigit() else step]
    return answer
