"""The whole system as processes, on a database and a virtual host of its own, gone afterwards."""

from __future__ import annotations

import base64
import json
import secrets as randomness
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from deploy.broker import EVERYONE, SERVICES, definitions, user_name
from services import secrets
from services.processes import Processes, ProcessSettings
from services.processes.system import name_in_broker
from tests.support import google
from tests.support.databases import PASSWORD, SETTING_UP
from tests.support.ports import free_port
from tests.support.servers import Postgres, Rabbitmq

ADMIN_EMAIL, ADMIN_PASSWORD = "root@peerly.test", "a long enough password for tests"


@asynccontextmanager
async def running_system(
    postgres: Postgres, rabbitmq: Rabbitmq, folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Processes]:
    """Four services and nginx, ready; their logs are files in `folder`."""
    settings = await _settings(postgres, rabbitmq, folder, environment or {})
    _agree_on_passwords(settings.data_dir)
    try:
        await _make_users(settings, rabbitmq)
        async with google.serving(everybody=True) as its_google:
            told = {**settings.environment, **its_google.environment}
            async with Processes(ProcessSettings(**{**vars(settings), "environment": told})) as system:
                yield system
    finally:
        await remove_users(settings.vhost, rabbitmq)
        await _drop(postgres.url, settings.database_url)


async def _settings(
    postgres: Postgres, rabbitmq: Rabbitmq, folder: Path, environment: Mapping[str, str]
) -> ProcessSettings:
    name = f"peerly_test_{randomness.token_hex(5)}"
    broker = urlsplit(rabbitmq.url)
    return ProcessSettings(
        data_dir=folder / "data",
        port=free_port(),
        service_ports={service: free_port() for service in SERVICES},
        database_url=urlunsplit(urlsplit(postgres.url)._replace(path=f"/{name}")),
        broker_url=f"amqp://{broker.hostname}:{broker.port or 5672}",
        vhost=name,
        logs=folder / "logs",
        environment={
            "PEERLY_RATE_LIMITS": "off",
            "PEERLY_ADMIN_EMAIL": ADMIN_EMAIL,
            "PEERLY_ADMIN_PASSWORD": ADMIN_PASSWORD,
            **environment,
        },
    )


def _agree_on_passwords(data_dir: Path) -> None:
    """Roles are the whole server's: an installation beside this one goes on with the passwords that it knows."""
    data_dir.mkdir(parents=True, exist_ok=True)
    file = data_dir / secrets.FILE
    file.touch(mode=0o600)
    file.write_text(json.dumps(dict.fromkeys(SERVICES, PASSWORD)))


async def _make_users(settings: ProcessSettings, rabbitmq: Rabbitmq) -> None:
    """The broker of the tests may be one that the plain `rabbitmqctl` does not reach."""
    assert rabbitmq.control is not None, "these tests make users, and nothing here may do that on the given RabbitMQ"
    kept = secrets.load_or_make(settings.data_dir, map(name_in_broker, EVERYONE))
    passwords = {who: kept[name_in_broker(who)] for who in EVERYONE}
    wanted = definitions(settings.vhost, passwords, dict.fromkeys(EVERYONE, b"salt"))
    await import_definitions(rabbitmq, json.dumps(wanted))


async def import_definitions(rabbitmq: Rabbitmq, text: str) -> None:
    """As an administrator of the broker does it."""
    assert rabbitmq.control is not None
    encoded = base64.b64encode(text.encode()).decode()
    await rabbitmq.control("eval", f'rabbit_definitions:import_raw(base64:decode(<<"{encoded}">>)).')


async def remove_users(vhost: str, rabbitmq: Rabbitmq) -> None:
    """Takes the virtual host and its users away, as far as they are there."""
    if rabbitmq.control is not None:
        users = ", ".join(f'<<"{user_name(vhost, who)}">>' for who in EVERYONE)
        await rabbitmq.control(
            "eval",
            f'(catch rabbit_vhost:delete(<<"{vhost}">>, <<"tests">>)), '
            f'[catch rabbit_auth_backend_internal:delete_user(User, <<"tests">>) || User <- [{users}]].',
        )


async def _drop(server_url: str, url: str) -> None:
    admin = await asyncpg.connect(server_url, timeout=SETTING_UP)
    try:
        await admin.execute(
            f"DROP DATABASE IF EXISTS {urlsplit(url).path.removeprefix('/')} WITH (FORCE)", timeout=SETTING_UP
        )
    finally:
        await admin.close(timeout=5)
