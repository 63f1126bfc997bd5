"""TM-10 in a whole Peerly behind its gateway: a picture that everybody sees, large files, an export."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.settings import SERVICE_PORTS
from tests.support.databases import Databases, build_template
from tests.support.installation import Company, Installation, Member, installation
from tests.support.nginx import running_gateway
from tests.support.staging import new_file
from tests.support.waiting import eventually

LARGEST = 10 * 2**20
PDF = b"%PDF-1.7\n"


@pytest.fixture
async def peerly(databases: Databases, tmp_path: Path) -> AsyncIterator[Installation]:
    """Asked through nginx."""
    database = await databases.make(build_template)
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(installation(database, tmp_path))
        address = running.url.removeprefix("http://")
        services = dict.fromkeys(SERVICE_PORTS, address)
        gateway = await stack.enter_async_context(running_gateway(services=services))
        yield replace(running, url=gateway.url)
    await databases.drop(database)


def form_of(content: bytes) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("file", io.BytesIO(content), filename="minutes.pdf")
    return form


async def shown_everywhere(peerly: Installation, company: Company, url: str | None) -> bool:
    me = await peerly.expect(200, "GET", "/users/me", token=company.employee.token)
    [row] = await peerly.expect(200, "GET", "/recognitions", token=company.colleague.token)
    return bool(me["profile_image_url"] == row["given_by_user"]["profile_image_url"] == url)


async def given(peerly: Installation, company: Company) -> int:
    text = {"text": "Courage", "description": "To dare"}
    value = await peerly.expect(201, "POST", "/core_values", token=company.admin.token, body=text)
    body = {"given_for": company.colleague.id, "core_value_id": value["id"], "text": "=Thanks"}
    made = await peerly.expect(201, "POST", "/recognitions", token=company.employee.token, body=body)
    return int(made["id"])


async def upload(peerly: Installation, by: Member, kind: str, id_: int, form: aiohttp.FormData) -> Any:
    attribute = {"users": "profile_image_url", "recognitions": "attachments"}[kind]
    params = {"kind": kind, "id": str(id_), "attribute": attribute}
    return await peerly.ask("POST", "/files", token=by.token, params=params, body=form)


async def test_tm10_a_picture_is_shown_by_every_service_and_files_pass_the_gateway(peerly: Installation) -> None:
    company = await peerly.company()
    recognition, owner, reader = await given(peerly, company), company.employee, company.colleague
    made = (await upload(peerly, owner, "users", owner.id, await new_file(None))).data  # type: ignore[arg-type]
    await eventually(lambda: shown_everywhere(peerly, company, made["url"]))
    read = await peerly.ask("GET", f"/filecontent/{made['file_id']}", token=reader.token)
    assert (read.status, len(read.raw), read.headers["Content-Type"]) == (200, made["size"], "image/png")
    assert read.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
    await peerly.ask("DELETE", f"/filecontent/{made['file_id']}", token=owner.token)
    await eventually(lambda: shown_everywhere(peerly, company, None))

    whole = PDF + bytes(LARGEST - len(PDF))
    large = (await upload(peerly, owner, "recognitions", recognition, form_of(whole))).data
    assert large["size"] == LARGEST
    part = await peerly.ask(
        "GET", f"/v1/filecontent/{large['file_id']}", token=reader.token, headers={"Range": "bytes=0-8"}
    )
    assert (part.status, part.raw) == (206, PDF)
    for more in (1, 2 * 2**20):
        refused = await upload(peerly, owner, "recognitions", recognition, form_of(whole + bytes(more)))
        assert refused.code == (413, "payload_too_large")

    exported = await peerly.ask("GET", "/exports/recognitions.csv", token=company.admin.token)
    assert exported.raw.count(b"\r\n") == 2
    assert b",'=Thanks,0\r\n" in exported.raw
