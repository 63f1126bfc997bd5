"""PC-7, TM-1: the collection and the samples of the reference work, against a running Peerly with the demo in it."""

from __future__ import annotations

import asyncio
import contextlib
import html
import io
import os
import re
import sys
import urllib.error
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from services import documents
from services.connections import SERVICE_NAMES
from services.reference import collection, page
from services.reference.examples import examples
from services.reference.samples import literal
from tests.support import postman
from tests.support.databases import Databases, build_template
from tests.support.installation import ADMIN_EMAIL, ADMIN_PASSWORD, ROOT, Installation, installation

DOCUMENT = documents.merged()
EXAMPLES = list(examples(DOCUMENT, literal))

NEEDS_MORE = {
    "authorize", "decide", "introspect_token", "revoke_token", "give_tokens", "remove_grant",
    "sign_in_with_google", "sign_in_with_key", "change_password",
    "show_password_page", "use_password_link", "send_password_page", "end_own_session",
}  # fmt: skip
"""An application's secret, Google, a link from an e-mail, a session after the sign-out: what no example can have."""


@dataclass(frozen=True, slots=True)
class Demo:
    """A running Peerly, and how the demo's admin signs in."""

    running: Installation
    username: str
    password: str


@pytest.fixture(scope="module")
async def demo(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Demo]:
    scratch, folder = await databases.make(build_template), tmp_path_factory.mktemp("demo")
    async with installation(scratch, folder) as running:
        password = scratch.password or "not asked for"
        environment = {
            **os.environ,
            **{f"PEERLY_{name.upper()}_DATABASE_PASSWORD": password for name in SERVICE_NAMES},
            "DATABASE_URL": scratch.admin_url,
            "PEERLY_DATA_DIR": str(folder),
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services", "demo", cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        found = re.search(r"admin +(\S+) / (\S+)", said.decode())
        assert found, said
        yield Demo(running, found[1], found[2])
    await databases.drop(scratch)


async def test_pc7_the_collection_runs_from_top_to_bottom(demo: Demo) -> None:
    given = {
        "baseUrl": demo.running.url, "username": demo.username, "password": demo.password,
        "super_admin_username": ADMIN_EMAIL, "super_admin_password": ADMIN_PASSWORD,
    }  # fmt: skip
    async with demo.running.session.get(f"{demo.running.url}/postman.json") as answer:
        served = await answer.json()
    assert served == collection(DOCUMENT)
    sent = [one async for one in postman.run(served, given, demo.running.session)]
    assert len(sent) == len(EXAMPLES) + len(("the super admin's sign-in",))
    names = {example.operation["summary"]: example.operation["operationId"] for example in EXAMPLES}
    refused = {names[one.name]: (one.status, one.body) for one in sent if one.status >= 400}
    assert [(name, *why) for name, why in refused.items() if name not in NEEDS_MORE] == []
    assert all(status in {400, 401, 404} for status, _ in refused.values())


async def test_tm1_every_sample_for_a_shell_and_for_python_runs(demo: Demo) -> None:
    token = (
        await demo.running.expect(200, "POST", "/login", body={"username": demo.username, "password": demo.password})
    )["token"]
    environment = {**os.environ, "PEERLY": demo.running.url, "TOKEN": token}
    wrong = []
    for example, shell, program in zip(EXAMPLES, samples_of("curl"), samples_of("python"), strict=True):
        if example.operation["operationId"] == "sign_out":
            continue  # at the end: it ends the credential of all
        statuses = await of_curl(shell, environment), await asyncio.to_thread(of_python, program, environment)
        known = {int(status) for status in example.operation["responses"]}
        wrong += [(example.method, example.path, status) for status in statuses if status not in known]
        if example.method == "GET" and not example.ids and example.operation["operationId"] not in NEEDS_MORE:
            wrong += [
                (example.method, example.path, status)
                for status in statuses
                if status != (403 if example.is_for_super_admins else 200)
            ]
    assert wrong == []
    [ending] = [
        shell
        for example, shell in zip(EXAMPLES, samples_of("curl"), strict=True)
        if example.operation["operationId"] == "sign_out"
    ]
    assert [await of_curl(ending, environment), await of_curl(ending, environment)] == [200, 401]


def samples_of(language: str) -> list[str]:
    """As somebody copies them from the page."""
    found = re.findall(rf'<pre data-sample="{language}">(.*?)</pre>', page(DOCUMENT), re.DOTALL)
    return [html.unescape(text) for text in found]


async def of_curl(shell: str, environment: dict[str, str]) -> int:
    """The status of the answer."""
    process = await asyncio.create_subprocess_exec(
        "bash", "-euc", re.sub(r"^curl ", 'curl -sS -o /dev/null -w "%{http_code}" ', shell), env=environment,
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, shell
    return int(said)


def of_python(program: str, environment: dict[str, str]) -> int:
    """The status of the answer."""
    os.environ.update(PEERLY=environment["PEERLY"], TOKEN=environment["TOKEN"])
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            exec(program, {})  # noqa: S102 - the sample is what is tested
    except urllib.error.HTTPError as error:
        return error.code
    return int(said.getvalue().split()[0])
