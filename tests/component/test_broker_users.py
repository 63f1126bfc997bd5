"""How the broker comes by the installation's virtual host and users."""

import base64
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import pytest
import pytest_asyncio
from aiohttp import web
from aiormq.exceptions import ChannelAccessRefused

from deploy.broker import EVERYONE
from services.processes import CannotStart, ProcessSettings
from services.processes.broker import provision, url_of
from tests.support.processes import import_definitions, remove_users
from tests.support.servers import Rabbitmq

PASSWORDS = {who: f"password of {who}".replace(" ", "-") for who in EVERYONE}


@pytest_asyncio.fixture(loop_scope="session")
async def settings(rabbitmq: Rabbitmq, tmp_path: Path) -> AsyncIterator[ProcessSettings]:
    place, vhost = urlsplit(rabbitmq.url), f"peerly_test_{secrets.token_hex(5)}"
    yield ProcessSettings(data_dir=tmp_path, broker_url=f"amqp://{place.hostname}:{place.port or 5672}", vhost=vhost)
    await remove_users(vhost, rabbitmq)


async def check_users(settings: ProcessSettings) -> None:
    """Each may come in, and the administrator alone may declare."""
    for who in EVERYONE:
        connection = await aio_pika.connect(url_of(settings, who, PASSWORDS[who]), timeout=5)
        async with connection:
            channel = await connection.channel()
            if who == "admin":
                await channel.declare_exchange("peerly.quota", timeout=5)
            else:
                with pytest.raises(ChannelAccessRefused):
                    await channel.declare_exchange("peerly.other", timeout=5)


async def test_by_hand_where_nothing_else_works(
    rabbitmq: Rabbitmq, settings: ProcessSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "broker.json"
    with monkeypatch.context() as without:
        without.setenv("PATH", "")
        with pytest.raises(CannotStart, match="import_definitions < ") as told:
            await provision(settings, PASSWORDS, file)
    assert str(file) in str(told.value)
    assert file.stat().st_mode & 0o777 == 0o600
    await import_definitions(rabbitmq, file.read_text())
    await provision(settings, PASSWORDS, file)
    await check_users(settings)


async def test_by_the_management_api_where_it_is_named(rabbitmq: Rabbitmq, settings: ProcessSettings) -> None:
    async def take(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"root:secret").decode()
        assert request.content_type == "application/json"
        await import_definitions(rabbitmq, await request.text())
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/api/definitions", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://root:secret@127.0.0.1:{runner.addresses[0][1]}/"
        named = ProcessSettings(**{**vars(settings), "broker_management_url": url})
        await provision(named, PASSWORDS, settings.data_dir / "broker.json")
    finally:
        await runner.cleanup()
    await check_users(settings)


async def test_a_management_api_that_refuses_is_reported(settings: ProcessSettings) -> None:
    runner = web.AppRunner(web.Application())
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        named = ProcessSettings(**{**vars(settings), "broker_management_url": url})
        with pytest.raises(CannotStart, match="management API did not take our users: 404"):
            await provision(named, PASSWORDS, settings.data_dir / "broker.json")
    finally:
        await runner.cleanup()
