"""Gives the broker this installation's virtual host and users, by whichever way it offers."""

from __future__ import annotations

import asyncio
import json
import secrets
import shutil
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import aiohttp

from deploy.broker import ADMIN, EVERYONE, definitions, user_name
from services.processes.settings import CannotStart, ProcessSettings
from shared.bus.connection import BROKER_IS_AWAY, close, connect

OPENING_SECONDS = 10.0
CONNECT_SECONDS = 5.0
IMPORT_SECONDS = 40.0
DEFAULT_PORT = 5672
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def url_of(settings: ProcessSettings, who: str, password: str) -> str:
    """The broker's address for one of its users."""
    parts = urlsplit(settings.broker_url)
    place = f"{user_name(settings.vhost, who)}:{password}@{_host(settings)}:{parts.port or DEFAULT_PORT}"
    return urlunsplit((parts.scheme or "amqp", place, "/" + quote(settings.vhost, safe=""), parts.query, ""))


async def provision(settings: ProcessSettings, passwords: dict[str, str], file: Path) -> None:
    """Leaves the broker with our users. Raises `CannotStart` with what to do when it cannot be brought there."""
    await _require_answer(settings)
    if await _admits(settings, passwords):
        return
    salts = {who: secrets.token_bytes(4) for who in EVERYONE}
    wanted = json.dumps(definitions(settings.vhost, passwords, salts), indent=1)
    if settings.broker_management_url:
        await _import_over_http(settings.broker_management_url, wanted)
    elif not (_is_local(settings) and await _import_with_rabbitmqctl(wanted)):
        file.touch(mode=0o600)
        file.write_text(wanted)
        raise CannotStart(_by_hand(settings, file))
    if not await _admits_soon(settings, passwords):
        raise CannotStart(f"RabbitMQ took our users but still refuses {user_name(settings.vhost, ADMIN)}; see its log.")


async def _require_answer(settings: ProcessSettings) -> None:
    host, port = _host(settings), urlsplit(settings.broker_url).port or DEFAULT_PORT
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
            writer.close()
    except (OSError, TimeoutError):
        raise CannotStart(
            f"No RabbitMQ answers at {host}:{port}. Start one (on Debian and Ubuntu: apt-get install rabbitmq-server), "
            "or name yours: AMQP_URL=amqp://host:5672"
        ) from None


async def _admits(settings: ProcessSettings, passwords: dict[str, str]) -> bool:
    try:
        for who in EVERYONE:
            await close(await connect(url_of(settings, who, passwords[who]), CONNECT_SECONDS))
    except BROKER_IS_AWAY:
        return False
    return True


async def _admits_soon(settings: ProcessSettings, passwords: dict[str, str]) -> bool:
    """A new virtual host takes a moment until it lets anybody in."""
    deadline = asyncio.get_running_loop().time() + OPENING_SECONDS
    while not await _admits(settings, passwords):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.2)
    return True


async def _import_with_rabbitmqctl(wanted: str) -> bool:
    if shutil.which("rabbitmqctl") is None:
        return False
    process = await asyncio.create_subprocess_exec(
        "rabbitmqctl", "import_definitions", "--format", "json", "--timeout", "30",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(IMPORT_SECONDS):
            await process.communicate(wanted.encode())
    except TimeoutError:
        process.kill()
        await process.wait()
    return process.returncode == 0


async def _import_over_http(url: str, wanted: str) -> None:
    timeout = aiohttp.ClientTimeout(total=IMPORT_SECONDS)
    headers = {"Content-Type": "application/json"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(f"{url.rstrip('/')}/api/definitions", data=wanted, headers=headers) as answer,
        ):
            answer.raise_for_status()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise CannotStart(f"RabbitMQ's management API did not take our users: {error}") from None


def _by_hand(settings: ProcessSettings, file: Path) -> str:
    return (
        f"RabbitMQ has no user {user_name(settings.vhost, ADMIN)} yet, and rabbitmqctl cannot be used from here.\n"
        f"Either run this where it can (root, or the broker's own account): rabbitmqctl import_definitions < {file}\n"
        "or name the management API with an administrator: PEERLY_BROKER_MANAGEMENT_URL=http://user:password@host:15672\n"
        "Then start again."
    )


def _is_local(settings: ProcessSettings) -> bool:
    return _host(settings) in LOOPBACK


def _host(settings: ProcessSettings) -> str:
    return urlsplit(settings.broker_url).hostname or "127.0.0.1"
